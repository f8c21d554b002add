Feature: Chaos, the operator

  One program carries new values from AWS into the cluster.
  While it is away, or dies, a rotation waits for it: nobody at work notices, and no value is lost.

  @C2 @chaos @needs-rotation @needs-disruptions @needs-changes-allowed
  Scenario Outline: The operator has trouble while the <credential> credential rotates: <trouble>
    Given 100 users are at work at an even pace
    When the secret "<secret>" is rotated while <trouble>
    Then no request failed, and 95 of 100 were answered within 500 ms
    And at no moment was there no accepted credential
    And every pod uses the new value
    And the system was steady before, and is again

    Examples:
      | credential | secret           | trouble                        |
      | database   | database/primary | the operator is away           |
      | JWT        | auth/jwt-secret  | the operator is killed         |
      | Redis      | cache/redis-auth | the operator's webhook is away |
