Feature: Chaos, the rotation function

  A function may die at any moment of its four steps.
  Whatever it had done by then, the value before goes on working, and the rotation can be taken up where it was.

  @C7 @chaos @needs-rotation @needs-disruptions @needs-changes-allowed
  Scenario Outline: The rotation of <secret> dies <moment> and is taken up again
    Given 100 users are at work at an even pace
    When the secret "<secret>" is rotated while the rotation function dies <moment>
    Then no request failed, and 95 of 100 were answered within 500 ms
    And at no moment was there no accepted credential
    And exactly one version is current, and it is the new one
    And every pod uses the new value
    And the system was steady before, and is again

    Examples:
      | secret           | moment             |
      | database/primary | in createSecret    |
      | database/primary | in setSecret       |
      | database/primary | in testSecret      |
      | database/primary | in finishSecret    |
      | database/primary | after finishSecret |
      | auth/jwt-secret  | in setSecret       |
      | cache/redis-auth | in testSecret      |
      | cache/redis-auth | after finishSecret |
