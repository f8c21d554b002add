"""Real, named environments: AWS, EKS and what runs there."""

from pathlib import Path


def template() -> str:
    """Return the text of a configuration that is to be filled in."""
    return (Path(__file__).parent / "template.toml").read_text(encoding="utf-8")
