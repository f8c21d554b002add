Feature: Phase 7, validation

  What was deployed is put to the test: its encryption, its audit trail, its rotations and its speed under load.

  Rule: Every read of a secret is on record, and nobody reads who is not meant to

    @P7.5 @needs-audit-trail @production-smoke
    Scenario: Every read of production's secrets is by somebody who is meant to
      When the reads of production's secrets in the last hour are looked up in AWS' audit trail
      Then the operator's reads are among them
      And every reader is one of these:
        | reader               |
        | the deployer         |
        | the operator's role  |
        | the rotation's role  |
        | the smoke run's role |

    @P7.5 @needs-audit-trail @needs-changes-allowed
    Scenario: A reader who is not meant to is found by name
      Given somebody read the application's key with a role of their own
      When the reads of production's secrets in the last hour are looked up in AWS' audit trail
      Then that reader is named as unexpected, with the session

    @P7.5 @needs-audit-trail @needs-changes-allowed
    Scenario: AWS' audit trail holds no value of a secret
      Given somebody stored a value and read it again
      When the records of AWS' audit trail about it are looked up
      Then both are on record
      And no record shows the value

    @P7.5 @needs-cluster-audit
    Scenario: Every read of the cluster's secrets is by somebody who is meant to
      When the reads of the application's secrets are looked up in the cluster's audit log
      Then the node's reads are among them
      And every reader is one of these:
        | reader                       |
        | the cluster's administrator  |
        | the cluster's own servers    |
        | the node                     |
        | the operator                 |
        | the smoke run                |

    @P7.5 @needs-cluster-audit @needs-changes-allowed
    Scenario: A service account that is not meant to read the cluster's secrets is found by name
      Given a service account of its own read the application's key in the cluster
      When the reads of the application's secrets are looked up in the cluster's audit log
      Then that reader is named as unexpected

  Rule: Rotations and load do not trouble those who work with MITA

    @P7.3 @needs-rotation @needs-changes-allowed
    Scenario: A value that others issue is rotated by hand and picked up
      Given a new value for "monitoring/sentry-dsn" from its issuer
      When the secret "monitoring/sentry-dsn" is rotated
      Then exactly one version is current, and it is the new one
      And every pod uses the new value
      And the application is healthy

    @P7.4 @needs-changes-allowed
    Scenario: The guide's load, in a sixteenth of its time, is answered in time
      When the guide's load is put on the application
      Then every answer had status 200, and signing in none of 500 or above
      And 95 of 100 were answered within 500 ms

  Rule: Every control of the encryption validator finds its own violation

    @P7.1
    Scenario Outline: The validator writes a report that says COMPLIANT, and ends with success
      When the encryption is validated by <means>
      Then it ends with success
      And its report is of the published form
      And its report says "COMPLIANT"

      Examples:
        | means              |
        | the command        |
        | the guide's script |

    @P7.1
    Scenario: The validator ends with failure while a secret stands in a source tree
      Given a source tree with a secret in one of its files
      When that source tree is validated by the command
      Then it ends with failure
      And its report is of the published form
      And its report says "NON_COMPLIANT"
      And the secret itself is nowhere in what it wrote

    @P7.1
    Scenario: What does not answer is named, and is no pass
      Given an audit trail of AWS that does not answer
      When the encryption is validated
      Then the whole is "INCOMPLETE"
      And the control "audit-trail-aws" could not be checked, and names what did not answer

    @P7.1
    Scenario: A connection speaks TLS, or is excused by somebody until a day because it never leaves the machine
      When the encryption is validated
      Then each connection speaks TLS or is excused only because it is local, with an owner, a reason and an end

    @P7.2 @needs-changes-allowed
    Scenario Outline: A violation is found by its own control alone, and is gone when it is mended
      When the encryption is validated while and after <violation>
      Then at first the control "<control>" failed, and no other
      And afterwards all was compliant

      Examples:
        | violation                                        | control                |
        | the key is no longer rotated                     | key-rotation           |
        | the key's policy admits everybody                | key-policy             |
        | a secret lies on AWS' own key                    | secrets-on-key         |
        | a secret's policy admits everybody               | secret-policy          |
        | a pod has a secret as a literal                  | pod-literals           |
        | a ConfigMap holds a secret                       | config-maps            |
        | a strange account may read Secrets               | secret-readers         |
        | a pod asks for a token of a day                  | service-account-tokens |
        | the application shows a certificate of its own   | tls-application        |
        | a manifest has a secret in it                    | hardcoded-secrets      |
        | a waiver has lapsed                              | waivers-current        |
