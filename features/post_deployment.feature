Feature: After deployment

  What was promised for the weeks after a deployment is done and shown, not remembered.

  Rule: Drills are held, and timed

    @D2 @needs-rotation @needs-changes-allowed
    Scenario: The rotation drill changes every critical credential by the emergency procedure
      When every critical credential is changed by the emergency procedure
      Then each was in use everywhere within 60 seconds
      And nobody who had the value before was cut off

  Rule: Thresholds are compared with what is usual

    @D3 @needs-monitoring
    Scenario: Every threshold stands beside what was measured
      When the alerts' thresholds are compared with the last 10 minutes
      Then each of them was measured

    @D3 @needs-monitoring
    Scenario: A threshold that is too low is found, and a higher one is proposed
      Given a threshold of 1 second for the age of a synchronisation
      When the alerts' thresholds are compared with the last 10 minutes
      Then that threshold is found too low, and a higher one is proposed

  Rule: A month's report is made from what is on record

    @D6 @needs-audit-trail @needs-rotation @needs-changes-allowed
    Scenario: The monthly report tells of rotations and readers
      Given the secret "cache/redis-auth" was rotated
      And a role of nobody's read a secret
      When the monthly report is made
      Then it tells of each secret how often it was rotated, and when it is due
      And it counts the reads of each reader
      And it asks for attention to the role of nobody's

  Rule: The compliance audit is complete, and finds what must not be there

    @D5
    Scenario: Every control of SOX, PCI DSS and GDPR is judged, and what is put up with has an owner and an end
      When the encryption is validated
      Then the whole is "COMPLIANT"
      And the audits of "SOX", "PCI DSS v4" and "GDPR" are complete
      And whatever is put up with has an owner, a reason and an end
      And the audit is kept with the report, for people and for programs

    @D7
    Scenario: No secret is hardcoded in what is deployed or in the application
      When what is deployed and the application's source are searched for hardcoded secrets
      Then files were searched and no secret was found in them

    @D7
    Scenario: A hardcoded secret is found with its file and line, and is not shown
      Given a source tree with a secret in one of its files
      When that source tree is searched for hardcoded secrets
      Then the secret is found in its file and line
      And it is shown by a fingerprint only
