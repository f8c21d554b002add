Feature: Chaos, random schedules

  Nobody can write down everything that may go wrong at once.
  So rotations and faults are drawn at random, one after the other, while people work; what held for each has to hold for all.

  @C10 @chaos @needs-rotation @needs-disruptions @needs-changes-allowed
  Scenario: Six things go wrong at random, one after the other
    Given 100 users are at work at an even pace
    And a random schedule of 6 rotations and faults
    When the schedule is struck
    Then at most 20 of 100 requests failed, and none later than 15 seconds after it was over
    And at no moment was there no accepted credential
    And the system was steady before, and is again

  @C10
  Scenario Outline: The judgement of a history is not blind: <a violation> is found
    Given the history of a rotation in which <a violation> is planted
    When the history is judged
    Then what is found is <what is named>, and nothing without it

    Examples:
      | a violation                             | what is named              |
      | a request that failed                   | no request failed          |
      | a moment without an accepted credential | no credential gap          |
      | a second current version                | exactly one AWSCURRENT     |
      | a pod that does not follow              | consumers follow AWSCURRENT |
      | a fault that is not healed              | steady state around faults |
      | a steady state that does not return     | steady state around faults |
