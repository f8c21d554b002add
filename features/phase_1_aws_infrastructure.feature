Feature: Phase 1, AWS infrastructure

  The secrets live in AWS Secrets Manager, encrypted with a key of our own.
  Only the operator's identity, proven by a token of the cluster, may take the role that reads them.
  Every change is planned and shown before it is made, and nothing that exists is lost unless somebody names it.

  @P1.1
  Scenario: The plan of a first deployment names everything that it would make
    Given a place where nothing has been deployed
    When the AWS infrastructure is planned
    Then the plan makes the key, all eight secrets and the operator's role
    And it destroys and replaces nothing
    And nothing has changed

  @P1.1 @needs-changes-allowed
  Scenario: A plan that would destroy a secret is refused and says which
    Given a desired state without the secret "external/openai-api-key"
    When a deployment is attempted
    Then it is refused, and the loss is named as "destroy secret/mita-finance/production/external/openai-api-key"
    And nothing has changed

  @P1.1 @needs-changes-allowed
  Scenario: A plan that would replace the key is refused and says so
    Given somebody led the key's alias to a key that can only sign
    When a deployment is attempted
    Then it is refused, and the loss is named as "replace kms-key/alias/mita-finance-production-secrets"
    And nothing has changed

  @P1.1 @needs-changes-allowed
  Scenario: A plan is not applied when things have changed since it was made
    Given a plan
    And somebody removed a tag of the key after the plan was made
    When that plan is applied
    Then it is refused, and the reason is "plan"
    And nothing has changed

  @P1.2 @production-smoke
  Scenario: The key is ours, enabled, symmetric and rotated every year
    When the key behind the alias is examined
    Then it is enabled
    And it is symmetric and made for encryption
    And it is managed by us and not by AWS
    And AWS rotates it every year

  @P1.3 @production-smoke
  Scenario: All eight secrets exist and are encrypted with that key
    When the secrets of production are listed
    Then these are there, each encrypted with the key behind the alias:
      | secret                         |
      | database/primary               |
      | auth/jwt-secret                |
      | auth/jwt-previous-secret       |
      | app/secret-key                 |
      | cache/redis-auth               |
      | external/openai-api-key        |
      | monitoring/sentry-dsn          |
      | notifications/smtp-credentials |

  @P1.4 @production-smoke
  Scenario: The cluster's issuer is discoverable and serves its keys
    When the cluster's issuer is discovered
    Then it calls itself by the name that AWS trusts
    And it serves public keys and no private ones

  @P1.4 @needs-changes-allowed
  Scenario: A token of the cluster is verified by the keys that the issuer serves
    Given a token of the operator's service account, made for AWS
    When the token is verified with the issuer's keys
    Then it is found genuine
    And a token that was tampered with is not

  @P1.5 @production-smoke
  Scenario: Only the operator's service account is trusted with the role
    When the trust of the operator's role is examined
    Then it trusts tokens of the cluster's issuer and nobody else
    And it demands the operator's service account as the subject
    And it demands AWS' token service as the audience

  @P1.8 @needs-changes-allowed
  Scenario: Applying again changes nothing
    When the whole system is deployed again
    Then there was nothing to do
    And nothing has changed

  @P1.8 @needs-changes-allowed
  Scenario Outline: Drift made by hand is found, shown and mended
    Given somebody <drift>
    When the AWS infrastructure is deployed again
    Then the plan showed that the <object> differs in its <property>
    And the <object> is again as it was
    And another plan finds nothing to do

    Examples:
      | drift                                 | object          | property |
      | removed a tag of the key              | key             | tags     |
      | switched off the key's rotation       | key             | rotation |
      | removed a tag of a secret             | secret          | tags     |
      | removed a tag of the operator's role  | operator's role | tags     |
      | removed the policy of the role        | operator's role | policies |
      | attached another policy to the role   | operator's role | attached |
      | let everybody take the role           | operator's role | trust    |
