Feature: Phase 5, rotation

  Credentials are changed every thirty days, and whenever somebody asks for it, and nobody who uses MITA notices.
  A value is current only after it has been tried out, and the one before goes on working until the next rotation.

  @P5.1 @needs-rotation
  Scenario: The rotation functions are as the guide has them
    When the rotation functions are examined
    Then these are there, for Python 3.11, with 300 seconds and 256 MB, in the rotation's role:
      | function                          |
      | mita-production-database-rotation |
      | mita-production-jwt-rotation      |

  @P5.2 @D4 @needs-rotation
  Scenario: Both secrets are rotated every 30 days, and the next date is known
    When the rotation of the critical secrets is examined
    Then each of these is rotated every 30 days, and the next date lies ahead:
      | secret           |
      | database/primary |
      | auth/jwt-secret  |

  @P5.3 @needs-rotation @needs-changes-allowed
  Scenario: A database rotation gives the idle login a new password and leaves the other one alone
    When the secret "database/primary" is rotated
    Then it went through createSecret, setSecret, testSecret and finishSecret in this order
    And exactly one version is current, and it is the new one
    And the other of the two logins is current now
    And the database lets in both the new value and the value before
    And every pod uses the new value

  @P5.4 @needs-rotation @needs-changes-allowed
  Scenario: A JWT rotation makes the current secret the previous one, and sessions survive
    Given a session that began before
    When the secret "auth/jwt-secret" is rotated
    Then the secret that was current is the previous one now
    And the session that began before is still accepted
    And a session that begins now is accepted too

  @P5.5 @C1 @needs-rotation @needs-changes-allowed
  Scenario: The database credential rotates under load and no request fails
    Given 100 users are at work
    When the secret "database/primary" is rotated
    Then no request failed, and 95 of 100 were answered within 500 ms
    And at no moment was there no accepted credential
    And every pod used the new value within 2 seconds

  @P4.9 @P5.2 @needs-rotation @needs-changes-allowed
  Scenario: A rotation by schedule, of which nobody tells the operator, reaches every pod by itself
    When the secret "cache/redis-auth" is rotated and the operator is not told of it
    Then at no moment was there no accepted credential
    And every pod used the new value within 30 seconds and its node's own time

  @P5.6 @needs-rotation @needs-changes-allowed
  Scenario Outline: Steps of "<secret>" that come again, late and out of order, change nothing
    Given the secret "<secret>" was rotated
    When the steps of that rotation come again in the opposite order
    Then exactly one version is current, and it is the same as before
    And every pod still works with it

    Examples:
      | secret           |
      | database/primary |
      | auth/jwt-secret  |
      | cache/redis-auth |

  @P5.6 @needs-rotation @needs-changes-allowed
  Scenario: Two rotations at once leave one working version
    When the secret "cache/redis-auth" is rotated twice at the same time
    Then one of the two is turned away
    And exactly one version is current, and it is the new one

  @P5.7 @needs-rotation @needs-changes-allowed
  Scenario Outline: A pending version with <a fault> is refused, and the current one goes on working
    Given a pending version of "database/primary" with <a fault>
    When the rotation is resumed
    Then it fails, and the reason names <what is wrong>
    And the version before is still current and lets in
    And it can be abandoned, and the next rotation succeeds

    Examples:
      | a fault            | what is wrong |
      | another host       | host          |
      | another user       | username      |
      | a malformed value  | JSON          |

  @P5.7 @needs-rotation @needs-changes-allowed
  Scenario: A rotation that was left half done is not started over unless somebody says so
    Given a pending version of "database/primary" with another host
    When the secret is rotated as if nothing was pending
    Then it fails, and the reason names AWSPENDING

  @P5.7 @needs-rotation @needs-changes-allowed
  Scenario: A new value that the database turns away is found by the test, and never becomes current
    Given the database turns the idle login away whatever its password
    When it is tried to rotate the secret all the same
    Then it fails, and the reason names testSecret
    And the version before is still current and lets in
    And the rotation can be resumed once the database lets that login in again
