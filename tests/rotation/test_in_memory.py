"""The store in memory keeps LocalStack's rules, call by call."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from deployer.progress import silent
from environments.embedded.aws import AwsEndpoint, ensure_localstack, start_localstack
from environments.embedded.processes import Supervisor
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site
from tests.rotation.functions import new_id
from tests.rotation.in_memory import CURRENT, PENDING, PREVIOUS, InMemorySecretsManager
from tests.rotation.servers import NUMBERS

_VERSIONS = tuple(f"{number}" * 32 for number in range(4))
_TEXTS = ("one", "two")
_LABELS = (CURRENT, PENDING, PREVIOUS, "MITACOPIED")


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    """Return a client of a LocalStack that runs for this module."""
    with tempfile.TemporaryDirectory(prefix="mita-rotation-") as name, asyncio.Runner() as runner:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MITA_STATE", name)
            run = RunDirectory.claim("rotation-aws", numbers=NUMBERS)
        tools: Mapping[str, Path] = {"localstack": ensure_localstack(silent)}
        supervisor = Supervisor(run)
        site = Site(run=run, network=run.network, supervisor=supervisor, tools=tools)
        try:
            yield client(runner.run(start_localstack(site)))
        finally:
            runner.run(supervisor.stop_all())
            run.release(remove=True)


def client(endpoint: AwsEndpoint) -> Any:  # noqa: ANN401  clients have no common type
    make: Any = boto3.client
    return make(
        "secretsmanager",
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key.get_secret_value(),
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


class Comparison(RuleBasedStateMachine):
    """The same calls to both, with the same answers and the same labels afterwards."""

    def __init__(self, aws: Any, *, like_localstack: bool) -> None:  # noqa: ANN401  a client
        super().__init__()
        self.aws = aws
        self.memory = InMemorySecretsManager(like_localstack=like_localstack)
        self.name = f"compared/{new_id()}"
        self.memory.populate(self.name, _VERSIONS[0], "one")
        aws.create_secret(Name=self.name, ClientRequestToken=_VERSIONS[0], SecretString="one")

    def same(self, call: Callable[[Any], Mapping[str, Any]], *fields: str) -> None:
        answers = []
        for each in (self.aws, self.memory):
            try:
                answer = call(each)
                answers.append({name: answer[name] for name in fields})
            except ClientError as error:
                answers.append({"error": error.response["Error"]["Code"]})
        assert answers[0] == answers[1]

    @rule(
        version=st.sampled_from(_VERSIONS),
        text=st.sampled_from(_TEXTS),
        label=st.sampled_from((PENDING, "MITACOPIED")),
    )
    def put(self, version: str, text: str, label: str) -> None:
        there = self.memory.secrets[self.name].versions.get(version)
        if there is not None and {CURRENT, PENDING} <= there.labels:
            return  # LocalStack takes AWSCURRENT away here; the functions never do this
        self.same(
            lambda each: each.put_secret_value(
                SecretId=self.name, ClientRequestToken=version, SecretString=text, VersionStages=[label]
            ),
            "VersionId",
        )

    @rule(version=st.sampled_from(_VERSIONS), instead_of=st.sampled_from(_VERSIONS))
    def promote(self, version: str, instead_of: str) -> None:
        if version == instead_of or version not in self.memory.secrets[self.name].versions:
            return  # LocalStack has moved half by then; the functions only promote what they have read
        self.same(
            lambda each: each.update_secret_version_stage(
                SecretId=self.name,
                VersionStage=CURRENT,
                MoveToVersionId=version,
                RemoveFromVersionId=instead_of,
            ),
            "Name",
        )

    @rule(version=st.sampled_from(_VERSIONS), label=st.sampled_from((PENDING, "MITACOPIED")))
    def unlabel(self, version: str, label: str) -> None:
        self.same(
            lambda each: each.update_secret_version_stage(
                SecretId=self.name, VersionStage=label, RemoveFromVersionId=version
            ),
            "Name",
        )

    @rule(label=st.sampled_from(_LABELS))
    def get_by_label(self, label: str) -> None:
        self.same(
            lambda each: each.get_secret_value(SecretId=self.name, VersionStage=label),
            "Name",
            "VersionId",
            "SecretString",
        )

    @rule(label=st.sampled_from(_LABELS), version=st.sampled_from(_VERSIONS))
    def get_by_version(self, label: str, version: str) -> None:
        self.same(
            lambda each: each.get_secret_value(SecretId=self.name, VersionStage=label, VersionId=version),
            "VersionId",
            "SecretString",
        )

    @invariant()
    def labels_are_the_same(self) -> None:
        labels = []
        for each in (self.aws, self.memory):
            stages = each.describe_secret(SecretId=self.name)["VersionIdsToStages"]
            labels.append({version: set(names) for version, names in stages.items()})
        assert labels[0] == labels[1]


def compare(aws: Any, *, like_localstack: bool) -> None:  # noqa: ANN401  a client
    def make() -> Comparison:
        return Comparison(aws, like_localstack=like_localstack)

    machine: Any = make  # what is called says that it wants a class, and calls it
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            phases=[Phase.generate],
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.embedded
def test_it_answers_as_localstack_does(aws: Any) -> None:  # noqa: ANN401  a client
    compare(aws, like_localstack=True)


@pytest.mark.embedded
def test_a_store_with_other_rules_is_told_apart(aws: Any) -> None:  # noqa: ANN401  a client
    with pytest.raises((AssertionError, ExceptionGroup)):
        compare(aws, like_localstack=False)
