Feature: After deployment

  What was promised for the weeks after a deployment is done and shown, not remembered.

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
