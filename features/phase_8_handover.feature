Feature: Phase 8, handover

  Whoever takes over gets what was measured and shown, and what is still open with whoever sees to it.
  Nothing in it is written before the deployment.

  @P8.1
  Scenario: The deployment report carries what was measured and what was shown
    When the deployment report is made of what this run has shown so far
    Then its counts are those of what is there
    And it says how many scenarios passed so far, and names what was not shown

  @P8.1
  Scenario: A deployment report tells of what failed
    Given a run in which a scenario failed
    When the deployment report is made of that run
    Then it says that the run failed, and what did

  @P8.2 @needs-notifications @needs-changes-allowed
  Scenario Outline: The team is told, with the true status, of a run that <ended>
    Given a run that <ended>
    When the team is told of it
    Then Slack has received the guide's message with the status "<status>"

    Examples:
      | ended   | status                   |
      | passed  | All systems operational  |
      | failed  | Something does not hold  |

  @P8.3
  Scenario: Each entry of the checklists is done with evidence, or open with an owner and a due date
    When the checklists are held against what this run has shown so far
    Then each entry is done with evidence, or open with an owner and a due date

  @P8.3
  Scenario: What was not proven is open, and is done once it is
    Given a run that passed
    When the checklists are held against that run
    Then an entry whose promise was proven is done with evidence
    And an entry that nobody did is open, with its owner and due date

  @P8.3
  Scenario: An entry without an owner is refused
    When checklists are read in which an entry has no owner
    Then they are refused, and the reason names the owner
