"""A place in which everything is as demanded, as facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from deployer.compliance.catalogue import load
from deployer.compliance.checks.hops import NAMES
from deployer.compliance.facts import (
    Certificate,
    Facts,
    Hop,
    Key,
    Reader,
    Sources,
    Store,
    StoredSecret,
    TokenRequest,
    Trail,
    Workloads,
)
from deployer.compliance.judging import frameworks, judge, status, summary
from deployer.compliance.report import Report
from deployer.compliance.waivers import Waiver

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACCOUNT = "111122223333"
KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0b9a"
PREFIX = "mita-finance/production/"


def policy(principal: Any) -> dict[str, Any]:  # noqa: ANN401  any form of a principal
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "One", "Effect": "Allow", "Principal": principal, "Action": "*"}],
    }


OURS = policy({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
KEY = Key(
    arn=KEY_ARN,
    state="Enabled",
    manager="CUSTOMER",
    spec="SYMMETRIC_DEFAULT",
    usage="ENCRYPT_DECRYPT",
    rotation_days=365,
    policy=OURS,
)
SECRET = StoredSecret(
    name=f"{PREFIX}app/secret-key", key=KEY_ARN, current_since=(NOW - timedelta(days=89),), policy=None
)
CERTIFICATE = Certificate("CN=server", NOW - timedelta(days=1), NOW + timedelta(days=15))
HOP = Hop("server:443", local=False, protocol="TLSv1.2", certificate=CERTIFICATE)
WORKLOADS = Workloads(
    containers=3,
    literals=(),
    config_maps=(),
    tokens=(TokenRequest("pod p volume v", "sts.amazonaws.com", 3600),),
    lasting_tokens=(),
)
COMPLIANT = Facts(
    now=NOW,
    account=ACCOUNT,
    key=KEY,
    secrets=(SECRET,),
    wanted_secrets=frozenset({SECRET.name}),
    store=Store(records={"mita-production/app": "secretbox"}, envelope=frozenset({"secrets"})),
    hops=dict.fromkeys(NAMES, HOP),
    workloads=WORKLOADS,
    readers=(Reader("Group system:masters", "ClusterRoleBinding cluster-admin"),),
    cloud_trail=Trail(NOW - timedelta(minutes=1)),
    cluster_trail=Trail(NOW - timedelta(minutes=1)),
    sources=Sources(files=10, suspects=()),
)


def report(facts: Facts, *waivers: Waiver) -> Report:
    results = judge(load(), facts, waivers)
    return Report(
        compliance_status=status(results),
        environment="embedded",
        account=ACCOUNT,
        region="us-east-1",
        cluster="mita-production",
        validated_at=NOW,
        seconds=0.5,
        summary=summary(results),
        frameworks=frameworks(results),
        controls=results,
        waivers=waivers,
    )
