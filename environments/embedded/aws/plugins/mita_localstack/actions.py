"""Which permissions a call needs: actions, the resources that they are about, and what is known of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from . import holdings
from .calls import Call, Context, Needed, taken, with_tags
from .holdings import Held, HeldKey


def needed(call: Call) -> list[Needed]:
    """Return the permissions that a call needs."""
    service = _SERVICES.get(call.service, _other)
    return [with_tags(call, each) for each in service(call)]


# ---- Secrets Manager

_SECRETS_WITHOUT_RESOURCE = {"ListSecrets", "GetRandomPassword", "BatchGetSecretValue"}
_SECRET_KEYS = {
    "secretsmanager:Name": "Name",
    "secretsmanager:Description": "Description",
    "secretsmanager:VersionId": "VersionId",
    "secretsmanager:VersionStage": "VersionStage",
    "secretsmanager:KmsKeyId": "KmsKeyId",
    "secretsmanager:KmsKeyArn": "KmsKeyId",
    "secretsmanager:RotationLambdaARN": "RotationLambdaARN",
    "secretsmanager:RecoveryWindowInDays": "RecoveryWindowInDays",
    "secretsmanager:ForceDeleteWithoutRecovery": "ForceDeleteWithoutRecovery",
    "secretsmanager:BlockPublicPolicy": "BlockPublicPolicy",
}


def _secretsmanager(call: Call) -> Iterator[Needed]:
    action, context = f"secretsmanager:{call.operation}", taken(call.parameters, _SECRET_KEYS)
    if call.operation in _SECRETS_WITHOUT_RESOURCE:
        yield Needed(action=action, context=context)
        for secret in call.parameters.get("SecretIdList", []):
            yield _secret(call, "secretsmanager:GetSecretValue", secret, {})
    elif call.operation == "CreateSecret":
        # The end of its ARN is not decided yet.
        yield Needed(
            action=action,
            resource=call.arn(f"secret:{call.parameters.get('Name', '')}-XXXXXX"),
            context=context,
        )
    else:
        yield _secret(call, action, call.parameters.get("SecretId", ""), context)
        if call.operation == "RotateSecret" and (function := call.parameters.get("RotationLambdaARN")):
            yield Needed(action="lambda:InvokeFunction", resource=function)


def _secret(call: Call, action: str, name_or_arn: str, context: Context) -> Needed:
    held = holdings.secret(call.account, call.region, name_or_arn)
    absent = name_or_arn if name_or_arn.startswith("arn:") else call.arn(f"secret:{name_or_arn}")
    arn = held.arn if held else absent
    return Needed(
        action=action, resource=arn, held=held, context={**context, "secretsmanager:secretid": (arn,)}
    )


# ---- KMS

_KEYS_WITHOUT_RESOURCE = {"CreateKey", "ListKeys", "ListAliases", "GenerateRandom", "ListRetirableGrants"}


def _kms(call: Call) -> Iterator[Needed]:
    action, parameters = f"kms:{call.operation}", call.parameters
    if call.operation in _KEYS_WITHOUT_RESOURCE:
        yield Needed(action=action)
    elif call.operation == "ReEncrypt":
        yield key_permission(call, "kms:ReEncryptFrom", _encrypting_key(call))
        target = holdings.key(call.account, call.region, str(parameters.get("DestinationKeyId", "")))
        yield key_permission(call, "kms:ReEncryptTo", target)
    elif alias := parameters.get("AliasName"):
        # Both the alias and the key that it stands for, or comes to stand for.
        yield Needed(action=action, resource=call.arn(alias))
        for named in dict.fromkeys((alias, parameters.get("TargetKeyId", alias))):
            if held := holdings.key(call.account, call.region, named):
                yield key_permission(call, action, held)
    else:
        yield key_permission(call, action, _encrypting_key(call))


def _encrypting_key(call: Call) -> HeldKey | None:
    named = call.parameters.get("KeyId") or call.parameters.get("SourceKeyId")
    if named:
        return holdings.key(call.account, call.region, named)
    return holdings.key_of_ciphertext(call.account, call.region, call.parameters.get("CiphertextBlob", b""))


def key_permission(call: Call, action: str, key: HeldKey | None, context: Context | None = None) -> Needed:
    """Return the permission that using a key needs.

    Args:
        call: The call that uses it.
        action: Such as ``kms:Decrypt``.
        key: The key; None where there is none.
        context: Further condition keys.
    """
    named = str(call.parameters.get("KeyId", ""))
    known: dict[str, tuple[str, ...]] = {"kms:calleraccount": (call.account,), **(context or {})}
    encryption = call.parameters.get("EncryptionContext") or {} if call.service == "kms" else {}
    known |= {f"kms:encryptioncontext:{name.lower()}": (value,) for name, value in encryption.items()}
    if encryption:
        known["kms:encryptioncontextkeys"] = tuple(encryption)
    if call.service == "kms" and "alias/" in named:
        known["kms:requestalias"] = ("alias/" + named.partition("alias/")[2],)
    if key is None:
        absent = named if named.startswith("arn:") else call.arn(f"key/{named}", service="kms")
        return Needed(action=action, resource=absent, context=known)
    known["kms:resourcealiases"] = key.aliases
    return Needed(action=action, resource=key.arn, held=key, context=known)


# ---- IAM and STS

_IAM_NAMES = {
    "PolicyArn": None,
    "OpenIDConnectProviderArn": None,
    "SAMLProviderArn": None,
    "RoleName": "role",
    "UserName": "user",
    "GroupName": "group",
    "InstanceProfileName": "instance-profile",
    "PolicyName": "policy",
}
# What they are about is a role, user or group, whatever else they name.
_IAM_HOLDERS = ("RoleName", "UserName", "GroupName", "InstanceProfileName")


def _iam(call: Call) -> Iterator[Needed]:
    parameters, action = call.parameters, f"iam:{call.operation}"
    context = taken(
        parameters, {"iam:PolicyARN": "PolicyArn", "iam:PermissionsBoundary": "PermissionsBoundary"}
    )
    for name in (*_IAM_HOLDERS, *_IAM_NAMES):
        if value := parameters.get(name):
            kind = _IAM_NAMES[name]
            path = parameters.get("Path") or "/"
            arn = f"arn:aws:iam::{call.account}:{kind}{path}{value}" if kind else value
            held = _iam_held(call, kind, value)
            yield Needed(action=action, resource=held.arn if held else arn, held=held, context=context)
            return
    if call.operation == "CreateOpenIDConnectProvider":
        host = str(parameters.get("Url", "")).removeprefix("https://")
        yield Needed(action=action, resource=f"arn:aws:iam::{call.account}:oidc-provider/{host}")
    else:
        yield Needed(action=action)


def _iam_held(call: Call, kind: str | None, name: str) -> Held | None:
    find: Callable[[str, str], holdings.HeldIdentity | None] | None = {
        "role": holdings.role,
        "user": holdings.user,
    }.get(kind or "")
    found = find(call.account, name) if find else None
    return Held(arn=found.arn, tags=found.tags) if found else None


def _sts(call: Call) -> Iterator[Needed]:
    context = taken(
        call.parameters,
        {"sts:RoleSessionName": "RoleSessionName", "sts:ExternalId": "ExternalId"},
    )
    arn = str(call.parameters.get("RoleArn", "*"))
    yield Needed(action=f"sts:{call.operation}", resource=arn, context=context)
    if call.operation == "AssumeRole" and call.parameters.get("Tags"):
        yield Needed(action="sts:TagSession", resource=arn, context=context)


# ---- Lambda

_FUNCTIONS_WITHOUT_RESOURCE = {"ListFunctions", "GetAccountSettings", "ListLayers", "ListEventSourceMappings"}
_INVOKING = {"Invoke", "InvokeAsync", "InvokeWithResponseStream"}


def _lambda(call: Call) -> Iterator[Needed]:
    operation = "InvokeFunction" if call.operation in _INVOKING else call.operation
    action, named = (
        f"lambda:{operation}",
        call.parameters.get("FunctionName") or call.parameters.get("Resource"),
    )
    if call.operation in _FUNCTIONS_WITHOUT_RESOURCE or not named:
        yield Needed(action=action)
        return
    name, qualifier = function_name(str(named), call.parameters.get("Qualifier"))
    arn = call.arn(f"function:{name}" + (f":{qualifier}" if qualifier else ""))
    policy = holdings.function_policy(call.account, call.region, name, qualifier or "$LATEST")
    yield Needed(action=action, resource=arn, held=Held(arn=arn, policy=policy))
    if role := call.parameters.get("Role"):
        context = {"iam:passedtoservice": ("lambda.amazonaws.com",)}
        yield Needed(action="iam:PassRole", resource=str(role), context=context)


def function_name(named: str, qualifier: str | None = None) -> tuple[str, str]:
    """Return name and qualifier of a function that is given by name, ARN or part of an ARN."""
    rest = named.partition(":function:")[2] or named
    name, _, inner = rest.partition(":")
    return name, qualifier or inner


# ---- others

_S3_ACTIONS = {
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
}


def _s3(call: Call) -> Iterator[Needed]:
    action = f"s3:{_S3_ACTIONS.get(call.operation, call.operation)}"
    bucket, key = call.parameters.get("Bucket"), call.parameters.get("Key")
    if call.operation == "DeleteObjects":
        key = "*"
    resource = "*" if not bucket else f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
    yield Needed(action=action, resource=resource)


def _logs(call: Call) -> Iterator[Needed]:
    group = call.parameters.get("logGroupName") or call.parameters.get("logGroupIdentifier")
    prefix = call.parameters.get("logGroupNamePrefix", "")
    if call.operation == "DescribeLogGroups":
        resource = call.arn(f"log-group:{prefix}:log-stream:")
    elif group is None:
        resource = str(call.parameters.get("resourceArn", "*"))
    else:
        # As AWS names it in its refusals, so that ...:log-group:NAME:* fits both group and stream.
        resource = call.arn(f"log-group:{group}:log-stream:{call.parameters.get('logStreamName', '')}")
    yield Needed(action=f"logs:{call.operation}", resource=resource)


def _cloudwatch(call: Call) -> Iterator[Needed]:
    names = call.parameters.get("AlarmNames") or [call.parameters.get("AlarmName")]
    resources = [call.arn(f"alarm:{name}") for name in names if name]
    context = taken(call.parameters, {"cloudwatch:namespace": "Namespace"})
    for resource in resources or ["*"]:
        yield Needed(action=f"cloudwatch:{call.operation}", resource=resource, context=context)


def _events(call: Call) -> Iterator[Needed]:
    name = call.parameters.get("Rule") or call.parameters.get("Name")
    resource = call.arn(f"rule/{name}") if name else "*"
    yield Needed(action=f"events:{call.operation}", resource=resource)


def _eks(call: Call) -> Iterator[Needed]:
    name = call.parameters.get("name") or call.parameters.get("clusterName")
    resource = call.arn(f"cluster/{name}") if name else "*"
    yield Needed(action=f"eks:{call.operation}", resource=resource)


def _ssm(call: Call) -> Iterator[Needed]:
    names = call.parameters.get("Names") or [call.parameters.get("Name") or call.parameters.get("Path")]
    for name in names:
        resource = call.arn(f"parameter/{str(name).removeprefix('/')}") if name else "*"
        yield Needed(action=f"ssm:{call.operation}", resource=resource)


def _other(call: Call) -> Iterator[Needed]:
    arns = (value for name, value in call.parameters.items() if name.endswith(("Arn", "ARN")))
    resource = next((arn for arn in arns if isinstance(arn, str) and arn.startswith("arn:")), "*")
    yield Needed(action=f"{call.service}:{call.operation}", resource=resource)


_SERVICES: Mapping[str, Callable[[Call], Iterator[Needed]]] = {
    "secretsmanager": _secretsmanager,
    "kms": _kms,
    "iam": _iam,
    "sts": _sts,
    "lambda": _lambda,
    "s3": _s3,
    "logs": _logs,
    "cloudwatch": _cloudwatch,
    "events": _events,
    "eks": _eks,
    "ssm": _ssm,
}
