Feature: Chaos, AWS

  Secrets Manager and KMS may be slow, turn calls away, or fail.
  A rotation then takes longer, or fails and is taken up again afterwards; the value before goes on working.

  @C3 @chaos @needs-rotation @needs-disruptions @needs-changes-allowed
  Scenario Outline: Secrets Manager has trouble while the <credential> credential rotates: <trouble>
    Given 100 users are at work at an even pace
    When the secret "<secret>" is rotated while <trouble>
    Then no request failed, and 95 of 100 were answered within 500 ms
    And at no moment was there no accepted credential
    And every pod uses the new value
    And the system was steady before, and is again

    Examples:
      | credential | secret           | trouble                                          |
      | database   | database/primary | Secrets Manager throttles the operator           |
      | JWT        | auth/jwt-secret  | Secrets Manager fails for the operator           |
      | Redis      | cache/redis-auth | Secrets Manager is slow for the operator         |
      | Redis      | cache/redis-auth | Secrets Manager fails for the rotation function  |

  @C4 @chaos @needs-rotation @needs-disruptions @needs-changes-allowed
  Scenario Outline: KMS has trouble while the <credential> credential rotates: <trouble>
    Given 100 users are at work at an even pace
    When the secret "<secret>" is rotated while <trouble>
    Then no request failed, and 95 of 100 were answered within 500 ms
    And at no moment was there no accepted credential
    And every pod uses the new value
    And the system was steady before, and is again

    Examples:
      | credential | secret           | trouble                            |
      | JWT        | auth/jwt-secret  | KMS denies the operator            |
      | database   | database/primary | KMS denies the rotation function   |
      | Redis      | cache/redis-auth | the key is disabled                |
