"""Lambda functions that rotate: code, settings, and who may invoke them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deployer.changes import Change, differences
from deployer.connections import Connections
from deployer.desired import Desired
from deployer.desired_rotation import DesiredFunction
from deployer.eventually import eventually
from deployer.function_settings import variables
from deployer.kinds.administrators import Administrators
from deployer.kinds.kind import Kind, Observed
from deployer.lambda_package import Package, build
from deployer.policies import Document, document, normal

_STATEMENT = "SecretsManagerRotates"
_NEW_ROLE_SECONDS = 60.0  # IAM is eventually consistent: Lambda may not know a new role yet
_UPDATE_SECONDS = 120.0
_QUALIFIED_BY = "aws:SourceAccount"


@dataclass(frozen=True, slots=True)
class FunctionState:
    """A function as it was observed.

    Attributes:
        settings: What was asked for, as far as the deployer cares.
        policy: Who may do what with it; None where nobody was allowed anything.
        unready: Why it cannot be invoked yet.
    """

    arn: str
    settings: Mapping[str, Any]
    policy: Document | None
    tags: Mapping[str, str]
    unready: str | None


class Functions(Kind[FunctionState]):
    """The rotation functions."""

    kind = "lambda-function"
    deadline = 120.0

    def __init__(
        self,
        desired: Desired,
        *,
        connections: Connections,
        administrators: Administrators,
        client: Any,  # noqa: ANN401  boto3 client of Lambda
    ) -> None:
        super().__init__(desired.rotation.phase)
        self._desired = desired
        self._rotation = desired.rotation
        self._functions = {each.name: each for each in desired.rotation.functions}
        self._connections = connections
        self._administrators = administrators
        self._lambda = client
        self._packages: dict[str, Package] = {}

    def arn(self, name: str) -> str:
        """Return the ARN that a function of that name has."""
        return f"arn:aws:lambda:{self._connections.region}:{self._connections.account}:function:{name}"

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, FunctionState]:
        """Read the functions with their policies, and have their packages built to compare with."""
        found = {}
        for name in self._functions if names is None else names:
            self._package(name)
            try:
                answer = self._lambda.get_function(FunctionName=name)
            except self._lambda.exceptions.ResourceNotFoundException:
                continue
            found[name] = _state(answer, self._policy(name))
        return found

    def _package(self, name: str) -> Package:
        if name not in self._packages:
            cache = self._connections.build_cache
            into = cache / "lambda" / "packages"
            self._packages[name] = build(self._functions[name].module, into, cache=cache)
        return self._packages[name]

    def _policy(self, name: str) -> Document | None:
        try:
            return normal(self._lambda.get_policy(FunctionName=name)["Policy"])
        except self._lambda.exceptions.ResourceNotFoundException:
            return None

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare each function."""
        seen = self.seen(observed)
        return [self._difference(each, seen.get(each.name), observed) for each in self._functions.values()]

    def _difference(
        self, function: DesiredFunction, state: FunctionState | None, observed: Observed
    ) -> Change:
        settings = self._settings(function, observed)
        invokers = _comparable(self._invokers(function.name))
        wanted = {**settings, "invokers": invokers, "tags": self._desired.tags}
        if state is None:
            return self.create(function.name, "there is no such function", differences({}, wanted))
        tags = {tag: value for tag, value in state.tags.items() if tag in self._desired.tags}
        before = {**state.settings, "invokers": _comparable(state.policy), "tags": tags}
        return self.update(function.name, differences(before, wanted))

    def _settings(self, function: DesiredFunction, observed: Observed) -> dict[str, Any]:
        administrator = ""
        if function.administrator is not None:
            administrator = self._administrators.arn_in(function.administrator, observed)
        facts = self._connections.facts
        own = variables(function, self._desired, facts=facts, administrator=administrator)
        return {
            "code": self._package(function.name).code_sha256,
            "environment": {**own, **self._connections.function_environment},
            "handler": function.handler,
            "memory_megabytes": self._rotation.memory_megabytes,
            "role": f"arn:aws:iam::{self._connections.account}:role/{self._rotation.role}",
            "runtime": self._rotation.runtime,
            "timeout_seconds": self._rotation.timeout_seconds,
        }

    def _invokers(self, name: str) -> Document:
        return document(
            [
                {
                    "Sid": _STATEMENT,
                    "Effect": "Allow",
                    "Principal": {"Service": "secretsmanager.amazonaws.com"},
                    "Action": "lambda:InvokeFunction",
                    "Resource": self.arn(name),
                    "Condition": {"StringEquals": {_QUALIFIED_BY: self._connections.account}},
                }
            ]
        )

    def apply(self, change: Change, observed: Observed) -> None:
        """Make or mend one function, and let Secrets Manager of this account alone invoke it."""
        function, state = self._functions[change.name], self.seen(observed).get(change.name)
        settings, path = self._settings(function, observed), self._package(change.name).path
        if state is None:
            self._create(function.name, settings, path)
        else:
            self._mend(state, function.name, settings, path)
        wanted = _comparable(self._invokers(function.name))
        policy = state.policy if state else None
        if _comparable(policy) != wanted:
            for statement in (policy or {}).get("Statement", []):
                self._lambda.remove_permission(FunctionName=function.name, StatementId=statement["Sid"])
            self._lambda.add_permission(
                FunctionName=function.name,
                StatementId=_STATEMENT,
                Action="lambda:InvokeFunction",
                Principal="secretsmanager.amazonaws.com",
                SourceAccount=self._connections.account,
            )

    def _create(self, name: str, settings: Mapping[str, Any], path: Path) -> None:
        def refused() -> str | None:
            try:
                self._lambda.create_function(
                    FunctionName=name,
                    Code={"ZipFile": path.read_bytes()},
                    Tags=dict(self._desired.tags),
                    **_parameters(settings),
                )
            except ClientError as error:
                message = error.response["Error"].get("Message", "")
                if "cannot be assumed by Lambda" not in message:
                    raise
                return message
            return None

        eventually(
            refused,
            subject=f"function {name}",
            deadline=_NEW_ROLE_SECONDS,
            remedy="See to the trust of the functions' role.",
        )

    def _mend(self, state: FunctionState, name: str, settings: Mapping[str, Any], path: Path) -> None:
        if state.settings["code"] != settings["code"]:
            self._lambda.update_function_code(FunctionName=name, ZipFile=path.read_bytes())
            self._await_update(name)
        if {**state.settings, "code": ""} != {**settings, "code": ""}:
            self._lambda.update_function_configuration(FunctionName=name, **_parameters(settings))
            self._await_update(name)
        self._lambda.tag_resource(Resource=state.arn, Tags=dict(self._desired.tags))

    def _await_update(self, name: str) -> None:
        """Wait for one update: Lambda refuses another before that."""

        def unready() -> str | None:
            return _unready(self._lambda.get_function(FunctionName=name)["Configuration"])

        eventually(
            unready,
            subject=f"function {name}",
            deadline=_UPDATE_SECONDS,
            remedy="Read why in Lambda's own words, then deploy again.",
        )

    def waiting(self) -> str | None:
        """Say which function cannot be invoked yet."""
        unready = [f"{name} is {state.unready}" for name, state in self.observe().items() if state.unready]
        return "; ".join(unready) or None


def _parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Runtime": settings["runtime"],
        "Handler": settings["handler"],
        "Role": settings["role"],
        "Timeout": settings["timeout_seconds"],
        "MemorySize": settings["memory_megabytes"],
        "Environment": {"Variables": dict(settings["environment"])},
    }


def _state(answer: Mapping[str, Any], policy: Document | None) -> FunctionState:
    configuration = answer["Configuration"]
    settings = {
        "code": configuration["CodeSha256"],
        "environment": configuration.get("Environment", {}).get("Variables", {}),
        "handler": configuration.get("Handler"),
        "memory_megabytes": configuration["MemorySize"],
        "role": configuration["Role"],
        "runtime": configuration.get("Runtime"),
        "timeout_seconds": configuration["Timeout"],
    }
    return FunctionState(
        configuration["FunctionArn"], settings, policy, answer.get("Tags", {}), _unready(configuration)
    )


def _unready(configuration: Mapping[str, Any]) -> str | None:
    state = configuration.get("State", "Active")
    if state not in ("Active", "Inactive"):  # an idle function is made active by its next call
        return f"{state}: {configuration.get('StateReason', 'no reason given')}"
    update = configuration.get("LastUpdateStatus", "Successful")
    reason = configuration.get("LastUpdateStatusReason", "no reason given")
    return None if update == "Successful" else f"being updated, {update}: {reason}"


def _comparable(policy: Document | None) -> Any:  # noqa: ANN401  any JSON
    """Return the statements in a form in which the case of condition keys, which AWS ignores, is one."""
    if policy is None:
        return []
    text = json.dumps(policy["Statement"])
    return json.loads(text.replace("AWS:SourceAccount", _QUALIFIED_BY))
