Feature: Chaos, forced rotation

  Whoever suspects that a credential has leaked changes it at once, in the middle of the day.
  While every credential is changed, one by one and back to back, nobody at work may notice more than a slower answer.

  @C1 @P5.5 @chaos @needs-rotation @needs-changes-allowed
  Scenario Outline: The <credential> credential rotates while 100 users work
    Given 100 users are at work
    When the secret "<secret>" is rotated
    Then no request failed, and 95 of 100 were answered within 500 ms
    And at no moment was there no accepted credential
    And every pod used the new value within 2 seconds

    Examples:
      | credential | secret           |
      | JWT        | auth/jwt-secret  |
      | Redis      | cache/redis-auth |

  @C1 @P5.5 @chaos @needs-rotation @needs-changes-allowed
  Scenario: All credentials rotate back to back while 100 users work
    Given 100 users are at work
    When these secrets are rotated one after the other, twice:
      | secret           |
      | database/primary |
      | auth/jwt-secret  |
      | cache/redis-auth |
    Then no request failed, and 95 of 100 were answered within 500 ms
    And at no moment was there no accepted credential
    And every pod used the new value within 2 seconds
