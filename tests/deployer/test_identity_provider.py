"""The provider's audiences, which AWS' stand-in cannot change: against recorded calls."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deployer.changes import Action
from deployer.connections import ClusterIdentity
from deployer.kinds.identity_provider import IdentityProviders

ARN = "arn:aws:iam::123456789012:oidc-provider/issuer.internal"
AUDIENCE = "sts.amazonaws.com"
THUMBPRINT = "0" * 40


@pytest.fixture
def iam() -> Any:  # noqa: ANN401  boto3 clients have no common type
    """A client that reaches nothing."""
    return boto3.client("iam", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.mark.parametrize(
    ("found", "calls"),
    [
        ([AUDIENCE, "others"], ["remove_client_id_from_open_id_connect_provider:others"]),
        (
            ["others"],
            [
                f"add_client_id_to_open_id_connect_provider:{AUDIENCE}",
                "remove_client_id_from_open_id_connect_provider:others",
            ],
        ),
    ],
)
def test_audiences_are_mended_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
    iam: Any,  # noqa: ANN401  boto3 clients have no common type
    found: list[str],
    calls: list[str],
) -> None:
    monkeypatch.setattr("deployer.kinds.identity_provider.thumbprint", lambda _: THUMBPRINT)
    kind = IdentityProviders(
        1,
        audiences=frozenset({AUDIENCE}),
        tags={},
        account="123456789012",
        cluster=ClusterIdentity("c", "c", "https://issuer.internal", ""),
        iam=iam,
    )
    with Stubber(iam) as stub:
        answer = {"ClientIDList": found, "ThumbprintList": [THUMBPRINT]}
        stub.add_response("get_open_id_connect_provider", answer, {"OpenIDConnectProviderArn": ARN})
        for call in calls:
            method, _, audience = call.partition(":")
            stub.add_response(method, {}, {"OpenIDConnectProviderArn": ARN, "ClientID": audience})
        stub.add_response("tag_open_id_connect_provider", {}, {"OpenIDConnectProviderArn": ARN, "Tags": []})
        observed = {kind.key: kind.observe()}
        (change,) = kind.diff(observed)
        assert (change.action, [each.path.partition("[")[0] for each in change.details]) == (
            Action.UPDATE,
            ["audiences"],
        )
        kind.apply(change, observed)
        stub.assert_no_pending_responses()
