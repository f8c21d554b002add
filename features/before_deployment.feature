Feature: Before anything is deployed

  A deployment of financial secrets must not stop half way for a reason that could have been known.
  So tools, identity and cluster are checked first, and what is wrong is named while nothing has been changed.

  @P0.1 @production-smoke
  Scenario: The tools of the route are there in the wanted version
    When the tools are checked
    Then Helm is there in version 3.12 or later

  @P0.1 @needs-changes-allowed
  Scenario Outline: A Helm that does not serve is named before anything changes
    Given a Helm that <does not serve>
    When a deployment is attempted
    Then it is refused, and the reason is "Helm"
    And nothing has changed

    Examples:
      | does not serve       |
      | is too old           |
      | is not there         |
      | tells no version     |

  @P0.2 @production-smoke
  Scenario: Credentials and cluster are the ones in the configuration
    When the identity is checked
    Then the credentials belong to the configured AWS account
    And the Kubernetes context leads to the configured cluster

  @P0.2 @needs-changes-allowed
  Scenario Outline: A deployment to another place than the configured one is refused
    Given a configuration that names another <place>
    When a deployment is attempted
    Then it is refused, and the reason is "<reason>"
    And nothing has changed

    Examples:
      | place              | reason             |
      | AWS account        | AWS account        |
      | AWS region         | AWS region         |
      | Kubernetes context | Kubernetes context |
      | Kubernetes cluster | Kubernetes cluster |

  @P0.3 @production-smoke
  Scenario: The cluster serves the operator's resource types
    When the cluster is asked for the operator's resource types
    Then it serves external secrets and both kinds of secret stores

  @P0.3 @needs-changes-allowed
  Scenario: A cluster that does not answer is named before anything changes
    Given a cluster that does not answer
    When a deployment is attempted
    Then it is refused, and the reason is "Kubernetes API"
    And nothing has changed

  @P0.3 @production-smoke @needs-monitoring
  Scenario: Prometheus is reachable
    When Prometheus is asked whether it is ready
    Then it answers that it is

  @P0.3 @production-smoke @needs-grafana
  Scenario: Grafana is reachable
    When Grafana is asked whether it is ready
    Then it answers that it is

  @P0.4 @needs-changes-allowed
  Scenario Outline: Production is refused while an approval is missing
    Given a production place whose <approval> is not on file
    When a deployment is attempted
    Then it is refused, and the reason is "<approval>"
    And nothing has changed

    Examples:
      | approval            |
      | security approval   |
      | compliance sign-off |
      | emergency contacts  |
      | incident procedure  |

  @P0.4 @needs-changes-allowed
  Scenario Outline: Production is refused when an approval no longer holds
    Given a production place whose <approval> has lapsed
    When a deployment is attempted
    Then it is refused, and the reason is "<approval>"
    And nothing has changed

    Examples:
      | approval            |
      | security approval   |
      | compliance sign-off |
      | emergency contacts  |
      | incident procedure  |

  @P0.4 @needs-changes-allowed
  Scenario: Production without a file of approvals is refused
    Given a production place without a file of approvals
    When a deployment is attempted
    Then it is refused, and the reason is "approvals"
    And nothing has changed

  @P0.4 @needs-changes-allowed
  Scenario: Production is deployed to when every approval is on file
    Given a production place with every approval on file
    When a deployment is attempted
    Then it is not refused
    And every approval says who gave it, when and until when
