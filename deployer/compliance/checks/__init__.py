"""What judges: one function a control, pure over the facts, under the control's name in `CHECKS`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from deployer.compliance.checks import aws, cluster, hops, sources
from deployer.compliance.checks.verdict import Check

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "key-state": aws.key_state,
        "key-rotation": aws.key_rotation,
        "key-policy": aws.key_policy,
        "secrets-on-key": aws.secrets_on_key,
        "secret-age": aws.secret_age,
        "secret-policy": aws.secret_policy,
        "audit-trail-aws": aws.audit_trail,
        "cluster-secrets-at-rest": cluster.secrets_at_rest,
        "pod-literals": cluster.pod_literals,
        "config-maps": cluster.config_maps,
        "secret-readers": cluster.secret_readers,
        "service-account-tokens": cluster.service_account_tokens,
        "audit-trail-cluster": cluster.audit_trail,
        "hardcoded-secrets": sources.hardcoded_secrets,
        **{name: hops.check(name) for name in hops.NAMES},
    }
)
"""By control; `waivers-current` is judged with the waivers themselves (`deployer.compliance.judging`)."""
