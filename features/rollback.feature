Feature: Rollback

  When something is wrong, each of the guide's ways back is taken while people work, and none of them notices.
  The way forward again ends where it began: with the values that Secrets Manager holds.

  @R1 @needs-changes-allowed
  Scenario: The application returns to its previous revision
    Given 100 users sign in at an even pace
    And the application was changed in a way that is regretted
    When it is rolled back to the previous revision
    Then no request failed, and 95 of 100 were answered within 500 ms
    And the application is as it was before the change

  @R2 @needs-changes-allowed
  Scenario: Without the operator the secrets stay, and the application serves
    Given 100 users sign in at an even pace
    When it is rolled back by stopping the operator
    Then no request failed, and 95 of 100 were answered within 500 ms
    And every value is the one in AWS

  @R3 @needs-changes-allowed
  Scenario: The application switches to the legacy secret
    Given 100 users sign in at an even pace
    And the legacy secret from before is still there
    When it is rolled back to the legacy secret
    Then no request failed, and 95 of 100 were answered within 500 ms
    And every pod works with the legacy secret

  @R3 @needs-changes-allowed
  Scenario: Without the legacy secret nothing is switched
    When it is to be rolled back to a legacy secret that is not there
    Then the rollback is refused, and the reason names "mita-production-legacy-secrets"
    And every pod works with Secrets Manager's secrets

  @R4 @needs-changes-allowed
  Scenario: The return converges to Secrets Manager's values
    Given 100 users sign in at an even pace
    And the application works with the legacy secret, and the operator is stopped
    And a value was changed in Secrets Manager meanwhile
    When it returns to Secrets Manager
    Then no request failed, and 95 of 100 were answered within 500 ms
    And every value is the one in AWS
    And every pod works with Secrets Manager's secrets
    And nothing is left to deploy
