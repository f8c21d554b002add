"""The operator's Helm chart, assembled as its project does for a release.

The chart in the operator's module lacks what is added at packaging: the custom resource
definitions as templates, and the release's version.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import MissingToolError
from environments.embedded.toolchain.artefact import Artefact

if TYPE_CHECKING:
    from environments.embedded.toolchain.go import Workshop

_SERVICE = '{{ include "external-secrets.fullname" . }}-webhook'
_ANNOTATIONS = f"""\
  annotations:
    {{{{- with .Values.crds.annotations }}}}
    {{{{- toYaml . | nindent 4 }}}}
    {{{{- end }}}}
    {{{{- with .Values.webhook.certManager }}}}
    {{{{- if and $.Values.crds.conversion.enabled .enabled .addInjectorAnnotations }}}}
    cert-manager.io/inject-ca-from: {{{{ $.Release.Namespace }}}}/{_SERVICE.replace(" . ", " $ ")}
    {{{{- end }}}}
    {{{{- end }}}}"""

# Lines that each definition has exactly once, and what the chart has in their place.
_TEMPLATED = {
    "  annotations:": _ANNOTATIONS,
    "  conversion:": "  {{- if .Values.crds.conversion.enabled }}\n  conversion:",
    "          name: kubernetes": f"          name: {_SERVICE}",
    "          namespace: default": "          namespace: {{ .Release.Namespace | quote }}",
    "          path: /convert": "          path: /convert\n  {{- end }}",
}


@dataclass(frozen=True, kw_only=True)
class OperatorChart(Artefact):
    """A directory that ``helm install`` takes."""

    def recipe(self) -> list[str]:
        """Return this module's own text: it is the recipe."""
        return [Path(__file__).read_text()]

    def make(self, workshop: Workshop, into: Path) -> None:
        """Copy the chart and add the definitions."""
        deploy = workshop.module(self, self.module) / "deploy"
        assemble(deploy, into / self.name, self.version)


def assemble(deploy: Path, chart: Path, version: str) -> None:
    """Make the chart from the operator's ``deploy`` directory.

    Args:
        deploy: Holds ``charts/external-secrets`` and ``crds/bundle.yaml``.
        chart: Directory to make.
        version: The operator's version, such as ``v0.9.9``.

    Raises:
        MissingToolError: A file is not in the form that this was written for.
    """
    # copyfile: files in the module cache are read-only.
    shutil.copytree(
        deploy / "charts" / "external-secrets",
        chart,
        copy_function=shutil.copyfile,
        ignore=shutil.ignore_patterns("tests", "ci", "crds"),
    )
    _stamp(chart / "Chart.yaml", version)
    definitions = chart / "templates" / "crds"
    definitions.mkdir()
    for definition in (deploy / "crds" / "bundle.yaml").read_text().split("\n---\n"):
        name = _only(r"^    singular: (\w+)$", definition)
        (definitions / f"{name}.yaml").write_text(as_template(definition))


def as_template(definition: str) -> str:
    """Turn one custom resource definition into the template that a released chart has.

    Args:
        definition: The definition's YAML.

    Raises:
        MissingToolError: It lacks a line that has to be templated.
    """
    kind = _only(r"^    kind: (\w+)$", definition)
    condition = ".Values.installCRDs"
    if "Cluster" in kind or "PushSecret" in kind:
        condition = f"and {condition} .Values.crds.create{kind}"
    # Braces in a description would be taken for a template's.
    lines = definition.strip("\n").replace("{{", '{{ "{{" }}').split("\n")
    for old, new in _TEMPLATED.items():
        if lines.count(old) != 1:
            raise _unexpected(f"the line {old.strip()!r} once in the definition of {kind}", lines.count(old))
        lines[lines.index(old)] = new
    return "\n".join([f"{{{{- if {condition} }}}}", *lines, "{{- end }}", ""])


def _stamp(path: Path, version: str) -> None:
    text = path.read_text()
    for key, value in (("version", version.removeprefix("v")), ("appVersion", version)):
        text, count = re.subn(rf"^{key}: .*$", f'{key}: "{value}"', text, flags=re.MULTILINE)
        if count != 1:
            raise _unexpected(f"the key {key} once in Chart.yaml", count)
    path.write_text(text)


def _only(pattern: str, text: str) -> str:
    found: list[str] = re.findall(pattern, text, re.MULTILINE)
    if len(found) != 1:
        raise _unexpected(f"{pattern} once in a custom resource definition", len(found))
    return found[0]


def _unexpected(expected: str, count: int) -> MissingToolError:
    return MissingToolError(
        "operator_chart",
        expected=expected,
        seen=f"it {count} times",
        remedy="The operator's version has changed: adapt the assembly of its chart.",
    )
