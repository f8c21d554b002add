"""What a rotation function is told by its environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping

from deployer.desired import Desired
from deployer.desired_rotation import DesiredFunction, connection_template, supplied_forms


def variables(
    function: DesiredFunction, desired: Desired, *, facts: Mapping[str, str | int], administrator: str
) -> dict[str, str]:
    """Return a function's environment variables; none of them is secret.

    Args:
        function: The function.
        desired: What the rest of the system is like.
        facts: What the connections know.
        administrator: ARN of the secret with the administrator's login, where the function needs one.
    """
    settings = dict(function.environment)
    if function.administrator is not None:
        secret = desired.secret(function.secrets[0])
        settings["MASTER_SECRET_ARN"] = administrator
        settings["CONNECTION_STRING_TEMPLATE"] = connection_template(secret, facts)
    if function.module == "database_rotation":
        settings["LOGINS"] = ",".join(desired.database.logins)
    if function.module == "redis_rotation":
        settings["CACHE_USER"] = desired.cache.user
    if function.previous is not None:
        settings["PREVIOUS_SECRET_ID"] = desired.full_name(desired.secret(function.previous))
    if function.module == "external_rotation":
        rotated = [desired.secret(name) for name in function.secrets]
        forms = {desired.full_name(secret): supplied_forms(secret) for secret in rotated}
        settings["SECRET_FORMS"] = json.dumps(forms, sort_keys=True)
    return settings
