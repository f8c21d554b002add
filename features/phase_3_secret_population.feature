Feature: Phase 3, secret population

  Every secret holds a value of its documented shape: generated here where it can be, supplied by the operator where others issue it.
  A placeholder never gets in, a live value is never overwritten by accident, and no value is ever shown.

  @P3.1 @production-smoke
  Scenario: Each secret has its documented shape
    When the values in Secrets Manager are examined
    Then each secret has exactly these fields:
      | secret                         | fields                                                        |
      | database/primary               | username, password, host, port, database, connection_string   |
      | auth/jwt-secret                | value, created_at                                             |
      | auth/jwt-previous-secret       | value, created_at                                             |
      | app/secret-key                 | value, created_at                                             |
      | cache/redis-auth               | password, host, port, connection_string                       |
      | external/openai-api-key        | value                                                         |
      | monitoring/sentry-dsn          | value                                                         |
      | notifications/smtp-credentials | username, password                                            |

  @P3.2 @production-smoke
  Scenario: Generated values are strong, unique and no placeholders
    When the values in Secrets Manager are examined
    Then every generated value has at least 256 bits
    And no confidential value is there twice
    And no value is a placeholder

  @P3.3 @production-smoke
  Scenario: Connection strings agree with their parts
    When the values in Secrets Manager are examined
    Then each connection string, taken apart, gives the parts of its secret
    And what has a meaning in an address is percent-encoded in it

  @P3.3
  Scenario Outline: A password with <character> survives its connection string
    Given a password with <character>
    When the <secret> connection string is composed
    Then a client reads the same password out of it

    Examples:
      | character      | secret   |
      | a slash        | database |
      | a plus sign    | database |
      | an at sign     | database |
      | a percent sign | database |
      | a slash        | cache    |
      | a plus sign    | cache    |
      | an at sign     | cache    |
      | a percent sign | cache    |

  @P3.4
  Scenario Outline: The operator supplies externally issued values by <channel>
    Given well-formed values for every externally issued secret
    When they are handed over by <channel>
    Then every one of them arrives

    Examples:
      | channel        |
      | file           |
      | environment    |
      | standard input |

  @P3.4 @needs-changes-allowed
  Scenario Outline: An externally issued value of the wrong form is refused
    Given the operator supplies <defect> as the <value>
    When a deployment is attempted
    Then it is refused, and the reason is "<secret>"
    And the refusal does not repeat what was supplied
    And nothing has changed

    Examples:
      | value         | defect                     | secret                         |
      | OpenAI key    | the guide's placeholder    | external/openai-api-key        |
      | OpenAI key    | a key that is too short    | external/openai-api-key        |
      | Sentry DSN    | the guide's placeholder    | monitoring/sentry-dsn          |
      | Sentry DSN    | an address without a key   | monitoring/sentry-dsn          |
      | SMTP password | the guide's placeholder    | notifications/smtp-credentials |
      | SMTP password | a key that is cut short    | notifications/smtp-credentials |

  @P3.5
  Scenario: No secret value shows in anything that the run has written
    Given a control value planted in a log and in the arguments of a process
    When the run's logs, states, reports and processes are searched for secret values
    Then the control value is found in both places
    And no secret value is found anywhere

  @P3.5 @needs-etcd-access
  Scenario: The cluster's own store holds the values encrypted
    Given a control value kept in the cluster where nothing is encrypted
    When the cluster's store is searched for secret values
    Then the control value is found there
    And no secret value is found anywhere

  @P3.6 @needs-changes-allowed
  Scenario: Populating again never replaces a live value
    Given the operator supplies other values for every externally issued secret
    When the secrets are populated again
    Then every secret still has the version that it had

  @P3.6 @needs-changes-allowed
  Scenario: A live value is replaced only where that was asked for by name
    Given the operator supplies other values for every externally issued secret
    When the secrets are populated again, "monitoring/sentry-dsn" to be replaced
    Then "monitoring/sentry-dsn" has the supplied value
    And every other secret still has the version that it had
