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

  @P1.4 @production-smoke
  Scenario: AWS has the cluster's own issuer on record
    When AWS is asked to describe the cluster
    Then it names the cluster's issuer
    And the cluster's secrets are encrypted with a key

  @P1.6 @needs-iam-enforcement @needs-changes-allowed
  Scenario Outline: The operator's role stays closed to <a token that proves nothing>
    Given <a token that proves nothing>
    When the token is presented to AWS for the operator's role
    Then AWS refuses it as <refusal>

    Examples:
      | a token that proves nothing                                     | refusal               |
      | the guide's dummy token                                         | no token at all       |
      | a token of another service account, made for AWS                | not trusted           |
      | a token of the operator's service account, made for the cluster | made for somebody else |
      | a token of the operator's service account, tampered with        | not genuine           |

  @P1.6 @needs-iam-enforcement @needs-changes-allowed
  Scenario: The operator's own token opens the operator's role
    Given a token of the operator's service account, made for AWS
    When the token is presented to AWS for the operator's role
    Then AWS lets it in as the operator's role

  @P1.7 @needs-iam-enforcement @needs-changes-allowed
  Scenario: The operator's role reads every secret of production
    Given a session of the operator's role
    When the session reads every secret of production
    Then each one's current value is read

  @P1.7 @needs-iam-enforcement @needs-changes-allowed
  Scenario: The operator's role decrypts with the secrets' key
    Given a session of the operator's role
    When the session reads what was encrypted with the secrets' key
    Then it is given what was encrypted

  @P1.7 @needs-iam-enforcement @needs-changes-allowed
  Scenario Outline: Nothing beyond its purpose is allowed to <the role>
    Given a session with the rights of <the role>
    When the session attempts every operation of the services in use, and a sample of others
    Then nothing is allowed to it but what <the role> is for

    Examples:
      | the role             |
      | the operator's role  |
      | the smoke run's role |

  @P1.7 @needs-iam-enforcement @needs-changes-allowed @needs-rotation
  Scenario: Nothing beyond its purpose is allowed to the rotation's role
    Given a session with the rights of the rotation's role
    When the session attempts every operation of the services in use, and a sample of others
    Then nothing is allowed to it but what the rotation's role is for

  @P1.7 @needs-iam-enforcement @needs-changes-allowed @needs-monitoring
  Scenario: Nothing beyond its purpose is allowed to the exporter's role
    Given a session with the rights of the exporter's role
    When the session attempts every operation of the services in use, and a sample of others
    Then nothing is allowed to it but what the exporter's role is for

  @P1.7 @needs-iam-enforcement @needs-changes-allowed
  Scenario Outline: The rights of <the role> do not reach <something else>
    Given a session with the rights of <the role>
    When the session reads <something else>
    Then it is refused for lack of permission

    Examples:
      | the role             | something else                               |
      | the operator's role  | a secret that is not production's            |
      | the operator's role  | what was encrypted with another key          |
      | the smoke run's role | a secret that is not production's            |
      | the smoke run's role | what was encrypted with the secrets' key     |

  @P1.7 @needs-iam-enforcement @needs-changes-allowed @needs-rotation
  Scenario: The rights of the rotation's role do not reach the application's key
    Given a session with the rights of the rotation's role
    When the session reads the application's key
    Then it is refused for lack of permission

  @P1.7 @needs-iam-enforcement @needs-changes-allowed
  Scenario: A right too many is found
    Given a session with the rights of the operator's role and one more, "secretsmanager:ListSecrets"
    When the session attempts every operation of the services in use, and a sample of others
    Then the right too many is named as "secretsmanager:ListSecrets"

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
