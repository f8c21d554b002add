Feature: Chaos, servers and pods

  Servers restart and pods are killed, while a credential rotates.
  Whoever asks at that moment may have to ask again; a few seconds later nobody has to, and no credential is lost.

  @C5 @chaos @needs-rotation @needs-disruptions @needs-changes-allowed
  Scenario Outline: A server restarts while the <credential> credential rotates: <trouble>
    Given 100 users are at work at an even pace
    When the secret "<secret>" is rotated while <trouble>
    Then at most 20 of 100 requests failed, and none later than 10 seconds after it was over
    And at no moment was there no accepted credential
    And every pod uses the new value
    And the system was steady before, and is again

    Examples:
      | credential | secret           | trouble               |
      | database   | database/primary | the database restarts |
      | Redis      | cache/redis-auth | Redis restarts        |

  @C6 @chaos @needs-rotation @needs-disruptions @needs-changes-allowed
  Scenario Outline: Pods die while the <credential> credential rotates: <trouble>
    Given 100 users are at work at an even pace
    When the secret "<secret>" is rotated while <trouble>
    Then at most 20 of 100 requests failed, and none later than 10 seconds after it was over
    And at no moment was there no accepted credential
    And every pod uses the new value
    And the system was steady before, and is again

    Examples:
      | credential | secret           | trouble                                     |
      | database   | database/primary | a pod of the application is killed          |
      | JWT        | auth/jwt-secret  | all pods of the application but one are killed |

  @C8 @chaos @needs-rotation @needs-disruptions @needs-changes-allowed
  Scenario Outline: The network has trouble while the <credential> credential rotates: <trouble>
    Given 100 users are at work at an even pace
    When the secret "<secret>" is rotated while <trouble>
    Then at most 20 of 100 requests failed, and none later than 10 seconds after it was over
    And at no moment was there no accepted credential
    And every pod uses the new value
    And the system was steady before, and is again

    Examples:
      | credential | secret           | trouble                                               |
      | database   | database/primary | the database does not answer for 2 seconds            |
      | database   | database/primary | the application's connections to the database are cut |

  @C9 @chaos @needs-rotation @needs-disruptions @needs-changes-allowed
  Scenario: The Redis credential rotates while the Kubernetes API server restarts
    Given 100 users are at work at an even pace
    When the secret "cache/redis-auth" is rotated while the Kubernetes API server restarts
    Then no request failed, and 95 of 100 were answered within 500 ms
    And at no moment was there no accepted credential
    And every pod uses the new value
    And the system was steady before, and is again
