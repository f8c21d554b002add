Feature: Phase 4, application with external secrets

  The application runs on what the operator carries into the cluster, and on nothing else.
  Whoever uses it finds it healthy, connected to database and cache, and strict about tokens.

  @P4.1 @production-smoke
  Scenario: All external secrets are ready
    When the external secrets of the application are examined
    Then all six of them are ready

  @P4.1 @needs-changes-allowed
  Scenario: An external secret becomes ready in time
    Given a new external secret for the application's key
    When the operator has looked at it
    Then it became ready within 300 seconds

  @P4.1 @needs-changes-allowed
  Scenario: An external secret without its counterpart in AWS is not ready and says why
    Given a new external secret for a secret that AWS does not have
    When the operator has looked at it
    Then it is not ready, and the reason names the missing secret

  @P4.2 @production-smoke
  Scenario: The Kubernetes secrets hold the expected keys
    When the application's secrets in the cluster are examined
    Then each has exactly these keys:
      | secret                                  | keys                                                                        |
      | mita-production-database-credentials    | username, password, host, port, database, connection_string, DATABASE_URL   |
      | mita-production-auth-secrets            | jwt-secret, jwt-previous-secret                                             |
      | mita-production-app-secrets             | secret-key                                                                  |
      | mita-production-cache-credentials       | password, host, port, connection_string, REDIS_URL                          |
      | mita-production-external-services       | openai-api-key, sentry-dsn                                                  |
      | mita-production-notification-credentials | username, password                                                          |

  @P4.2 @production-smoke
  Scenario: The Kubernetes secrets equal those in AWS
    When the application's secrets in the cluster are compared with AWS by fingerprint
    Then every value is the one in AWS

  @P4.2 @needs-changes-allowed
  Scenario: A Kubernetes secret that was tampered with is put right
    Given somebody changed the application's key in the cluster
    When the operator has noticed it
    Then every value is the one in AWS

  @P4.3 @production-smoke
  Scenario: The application is released as the guide has it
    When the application's release is examined
    Then it is deployed in the namespace "mita-production"
    And its pods may use 500m to 2000m of processor and 1Gi to 2Gi of memory
    And it takes its secrets from the operator
    And its rollout of 3 replicas is complete

  @P4.4 @production-smoke
  Scenario: Three pods of the application are ready
    When the application's pods are examined
    Then 3 of them are ready

  @P4.5 @production-smoke
  Scenario: The application is healthy
    When the application is asked for its health
    Then it answers with status 200

  @P4.6 @needs-changes-allowed
  Scenario: From inside a pod, the database answers
    Given the application was rolled out after the last rotation
    When a pod of the application connects to the database with its own credentials
    Then the database lets it in

  @P4.6 @needs-changes-allowed
  Scenario: From inside a pod, the database turns away a wrong password
    When a pod of the application connects to the database with a wrong password
    Then the database turns it away

  @P4.7 @needs-changes-allowed
  Scenario: From inside a pod, the cache answers
    Given the application was rolled out after the last rotation
    When a pod of the application connects to the cache with its own credentials
    Then the cache lets it in

  @P4.7 @needs-changes-allowed
  Scenario: From inside a pod, the cache turns away a wrong password
    When a pod of the application connects to the cache with a wrong password
    Then the cache turns it away

  @P4.8 @production-smoke
  Scenario: The application tests its own authentication
    When the guide's authentication test is made
    Then it answers with status 200

  @P4.8
  Scenario Outline: A token signed with <a known secret> passes
    Given a token signed with <a known secret>
    When the token is presented to the application
    Then it is accepted as signed with <a known secret>

    Examples:
      | a known secret      |
      | the current secret  |
      | the previous secret |

  @P4.8
  Scenario Outline: A token <that cannot be trusted> is refused
    Given a token <that cannot be trusted>
    When the token is presented to the application
    Then it is refused with status 401

    Examples:
      | that cannot be trusted                           |
      | signed with an unknown secret                    |
      | signed with the current secret, but expired      |
      | signed with the current secret, then altered     |
      | that is not signed at all                        |

  @P4.9 @needs-changes-allowed
  Scenario: A change in Secrets Manager reaches the running application without a restart
    Given the application's pods as they are
    When the previous JWT secret is changed in Secrets Manager
    Then within 180 seconds every pod accepts tokens that are signed with it
    And no pod was restarted or replaced for it
