Feature: Phase 2, External Secrets Operator

  The operator carries secrets from AWS into the cluster, with an identity of its own and no stored credentials.
  It must run as the guide has it, be able to read, and refuse definitions that could never work.

  @P2.1 @production-smoke
  Scenario: The operator is released as the guide has it
    When the operator's release is examined
    Then it is deployed in the namespace "external-secrets-system"
    And it has the guide's settings
    And every one of its programs runs from the image tagged "v0.9.9"

  @P2.1 @production-smoke
  Scenario Outline: Each of the operator's programs is available
    When the operator's <program> is examined
    Then all of its wanted replicas are available

    Examples:
      | program                |
      | controller             |
      | webhook                |
      | certificate controller |

  @P2.2 @production-smoke
  Scenario: The operator's resource types are established
    When the operator's resource types are examined
    Then these are established:
      | resource type       |
      | ExternalSecret      |
      | SecretStore         |
      | ClusterSecretStore  |
      | ClusterExternalSecret |
      | PushSecret          |

  @P2.3 @production-smoke
  Scenario: The operator's identity is as declared
    When the operator's identity in the cluster is examined
    Then its namespace is there, with the declared labels
    And its service account names the operator's role
    And no pod gets a token of it without asking

  @P2.3 @needs-changes-allowed
  Scenario Outline: Everybody may do what they must and no more
    When it is asked whether <who> may <what>
    Then the cluster answers <answer>

    Examples:
      | who                            | what                                     | answer |
      | the operator                   | make tokens of the operator's identity   | yes    |
      | the operator                   | write the application's secrets          | yes    |
      | the operator's identity        | read the application's secrets           | no     |
      | the operator's identity        | make tokens of the operator's identity   | no     |
      | the application                | read the application's secrets           | no     |
      | the application                | make tokens of the operator's identity   | no     |

  @P2.4 @production-smoke
  Scenario Outline: The stores are ready
    When the <store> is examined
    Then it is ready

    Examples:
      | store                |
      | secret store         |
      | cluster secret store |

  @P2.4 @needs-changes-allowed
  Scenario: A store whose identity does not exist is not ready and says why
    Given a secret store that names a service account that does not exist
    When the operator has looked at it
    Then it is not ready, and the reason names the missing service account

  @P2.5 @needs-changes-allowed
  Scenario Outline: The webhook refuses what could never work, with a reason
    When a <definition> with <defect> is submitted
    Then the operator's webhook refuses it, because of "<reason>"

    Examples:
      | definition           | defect                                | reason                                       |
      | secret store         | an unknown AWS region                 | region not found                             |
      | cluster secret store | an unknown AWS region                 | region not found                             |
      | secret store         | a service account somewhere else      | namespace not allowed with namespaced        |
      | external secret      | nothing to fetch                      | either data or dataFrom should be specified  |
      | external secret      | a deletion that it has no right to    | deletionPolicy=Delete must not be used       |

  @P2.5 @needs-changes-allowed
  Scenario Outline: The webhook lets pass what can work
    When a well-formed <definition> is submitted
    Then it is accepted

    Examples:
      | definition           |
      | secret store         |
      | cluster secret store |
      | external secret      |
