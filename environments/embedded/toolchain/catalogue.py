"""What the embedded environment is made of, and how each part comes to be.

A further program is one more entry here, and a directory with its ``go.mod`` and
``go.sum`` unless it shares one.  Seconds are those of a build from nothing on two
cores, in this order: what an earlier build compiled is not compiled again.
"""

from __future__ import annotations

from pathlib import Path

from environments.embedded.toolchain.artefact import Artefact, pinned_version
from environments.embedded.toolchain.chart import OperatorChart
from environments.embedded.toolchain.patch import Patch
from environments.embedded.toolchain.program import Program

_HERE = Path(__file__).parent


def kubernetes_stamps() -> tuple[str, ...]:
    """Return the version as Kubernetes' own release build stamps it; ``/version`` answers from it."""
    return tuple(
        f"{package}.{name}={value}"
        for package in ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version")
        for name, value in (
            ("gitVersion", "{version}"),
            ("gitMajor", "{major}"),
            ("gitMinor", "{minor}"),
            ("gitTreeState", "clean"),
        )
    )


# The operator's webhook has no flag for the address that it listens on.  See
# docs/decisions/0002-operator-webhook-listens-on-loopback.md.
_WEBHOOK_BIND_ADDRESS = Patch(
    module="sigs.k8s.io/controller-runtime",
    file="pkg/webhook/server.go",
    old="func (o *Options) setDefaults() {",
    new='func (o *Options) setDefaults() { if o.Host == "" { o.Host = os.Getenv("WEBHOOK_BIND_ADDRESS") }',
)


def _helm_stamps() -> tuple[str, ...]:
    """Return Helm's version, and the Kubernetes version that `helm template` assumes.

    Without the latter Helm assumes 1.20.  Its releases take it from client-go, v0.36 for 1.36.
    """
    minor = pinned_version(_HERE / "helm", "k8s.io/client-go").split(".")[1]
    return (
        "helm.sh/helm/v3/internal/version.version={version}",
        *(
            f"helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={value}"
            for package in ("chartutil", "lint/rules")
            for part, value in (("Major", "1"), ("Minor", minor))
        ),
    )


def _kubernetes(name: str, *, ask: tuple[str, ...] = ("--version",), seconds: int) -> Program:
    return Program(
        name=name,
        directory=_HERE / "kubernetes",
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        stamps=kubernetes_stamps(),
        ask=ask,
        seconds=seconds,
    )


def _monitoring(
    name: str, project: str, *, tags: tuple[str, ...] = (), patch: Patch | None = None, seconds: int
) -> Program:
    return Program(
        name=name,
        directory=_HERE / project,
        module=f"github.com/prometheus/{project}",
        package=f"github.com/prometheus/{project}/cmd/{name}",
        # Prometheus' module v0.316.0 is its release 3.16.0; a program of the release tells the
        # latter, so that one on PATH, which has all of the discoveries, is passed over.
        stamps=("github.com/prometheus/common/version.Version={version}",),
        ask=("--version",),
        tags=tags,
        patch=patch,
        seconds=seconds,
    )


# Of two dozen discoveries, with the clients of as many clouds, this environment needs one.
_DISCOVERY = ("remove_all_sd", "enable_kubernetes_sd")

# Its module lacks the pages that a release is built with, by Node.js; the API needs none of them.
_NO_PAGES = Patch(
    module="github.com/prometheus/alertmanager",
    file="ui/web.go",
    old="//go:embed app/dist",
    new="//go:embed app/index.html",
)


_ARTEFACTS: tuple[Artefact, ...] = (
    Program(
        name="etcd",
        directory=_HERE / "kubernetes",
        module="go.etcd.io/etcd/server/v3",
        package="go.etcd.io/etcd/server/v3",
        ask=("--version",),
        seconds=45,
    ),
    _kubernetes("kube-apiserver", seconds=215),
    _kubernetes("kube-controller-manager", seconds=65),
    _kubernetes("kube-scheduler", seconds=5),
    _kubernetes("kubectl", ask=("version", "--client"), seconds=25),
    Program(
        name="helm",
        directory=_HERE / "helm",
        module="helm.sh/helm/v3",
        package="helm.sh/helm/v3/cmd/helm",
        stamps=_helm_stamps(),
        ask=("version", "--short"),
        seconds=80,
    ),
    Program(
        name="external-secrets",
        directory=_HERE / "external_secrets",
        module="github.com/external-secrets/external-secrets",
        package="github.com/external-secrets/external-secrets",
        patch=_WEBHOOK_BIND_ADDRESS,
        seconds=160,
    ),
    OperatorChart(
        name="operator_chart",
        directory=_HERE / "external_secrets",
        module="github.com/external-secrets/external-secrets",
        seconds=1,
    ),
    _monitoring("prometheus", "prometheus", tags=_DISCOVERY, seconds=180),
    _monitoring("promtool", "prometheus", tags=_DISCOVERY, seconds=15),
    _monitoring("alertmanager", "alertmanager", patch=_NO_PAGES, seconds=30),
)

CATALOGUE = {artefact.name: artefact for artefact in _ARTEFACTS}
