Feature: Phase 6, monitoring

  What goes wrong with secrets is told to somebody before users notice, and only what goes wrong.
  So each alert is shown to fire for the very fault that it is made for, to reach whom it should, and to end with it.

  @P6.1 @production-smoke @needs-monitoring
  Scenario: The alert rules are in use
    When the alert rules of secret management are examined
    Then Prometheus evaluates every one of them without an error
    And each alert says how grave it is and where to read what to do

  @P6.1 @needs-monitoring
  Scenario: The alert rules are valid by Prometheus' own checker
    When the alert rules of secret management are examined
    Then Prometheus' own checker finds nothing wrong with them

  @P6.1 @needs-monitoring @needs-notifications @needs-changes-allowed
  Scenario: A rule that cannot be evaluated is named and leaves the others alone
    Given somebody declares a rule that is no expression
    When Prometheus has been told of it
    Then an event says what is wrong with it, and it is not evaluated
    And Prometheus evaluates every one of them without an error

  @P6.2 @production-smoke @needs-monitoring
  Scenario Outline: What is to be watched is watched
    When Prometheus is asked whether "<job>" is up
    Then <targets>

    Examples:
      | job                         | targets                                     |
      | external-secrets-controller | there is 1 target of it, and it is up       |
      | mita-secret-exporter        | there is 1 target of it, and it is up       |
      | mita                        | there are 3 targets of it, and they are up  |

  @P6.3 @needs-monitoring @needs-notifications @needs-changes-allowed
  Scenario Outline: An alert fires for its fault, reaches whom it should, and ends with the fault
    When <fault> until "<alerts>" has been delivered, and is mended
    Then each alert was pending before it fired
    And each reached Slack within 30 seconds, and PagerDuty too if it is critical
    And each was over for whom it had reached once the fault was gone

    Examples:
      | fault                                              | alerts                                               |
      | AWS does not have what an external secret asks for | SecretSyncFailing                                    |
      | the operator is stopped                            | SecretOperatorDown                                   |
      | a store's service account does not exist           | SecretStoreNotReady                                  |
      | a rotation dies half way                           | SecretRotationStuck                                  |
      | a stored password does not work                    | ApplicationOnOldCredential, ApplicationLoginFailures |
      | the key is to be deleted                           | SecretKeyDisabled, SecretKeyDeletionScheduled        |
      | a stranger tries to read a secret                  | UnusualSecretAccess                                  |
      | the exporter is stopped                            | SecretExporterBlind                                  |
      | a secret was last synchronised too long ago        | SecretStale                                          |
      | secrets are older than they may become             | SecretRotationOverdue                                |
      | the webhook's certificate is about to end          | WebhookCertificateExpiring                           |

  @P6.4 @production-smoke @needs-monitoring
  Scenario: Every panel of the dashboard has data
    When the query of every panel of the dashboard is asked
    Then each has data

  @P6.4 @production-smoke @needs-grafana
  Scenario: The dashboard is in Grafana
    When the dashboard is looked up in Grafana
    Then it is the one that is deployed

  @P6.5 @needs-monitoring
  Scenario: The age of each secret is known
    When Prometheus is asked for the ages of secrets
    Then each is the time since its current version was made in AWS

  @P6.5 @production-smoke @needs-monitoring
  Scenario: The next rotation of each secret is known
    When Prometheus is asked when secrets are to be rotated
    Then each has a time, by its schedule or by the age that it may reach

  @P6.5 @production-smoke @needs-monitoring
  Scenario: The last sync of each external secret is known
    When Prometheus is asked how old the last sync of each external secret is
    Then each is at most 60 seconds old

  @D1 @needs-notifications @needs-changes-allowed
  Scenario: A test event goes through PagerDuty
    When a test event is sent to PagerDuty, acknowledged and resolved
    Then PagerDuty has received all three under one key

  @D1 @needs-notifications @needs-changes-allowed
  Scenario: A test message reaches Slack
    When a test message is sent to Slack
    Then Slack has received it

  @D1 @needs-notifications @needs-changes-allowed
  Scenario: A test event that is refused fails in plain words
    Given a routing key that no service has
    When a test event is sent with it
    Then the failure says that PagerDuty refused it, without the key
