"""The promises to prove, as data."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from deployer.errors import ConfigurationError


class Criterion(BaseModel):
    """One promise of the deployment guide.

    Attributes:
        id: Stable identifier, which scenarios carry as a tag.
        section: The part of the guide that makes the promise.
        text: The promise in words.
        status: ``required`` promises must have a scenario; ``planned`` ones are only declared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^(P\d+\.\d+|[DRC]\d+)$")
    section: str = Field(min_length=1)
    text: str = Field(min_length=1)
    status: Literal["required", "planned"]


_FILE = TypeAdapter(dict[Literal["criterion"], tuple[Criterion, ...]])


def load_criteria(path: Path) -> tuple[Criterion, ...]:
    """Read the promises from a TOML file, in its order.

    Raises:
        ConfigurationError: The file is not as documented, or an id occurs twice.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        criteria = _FILE.validate_python(document).get("criterion", ())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationError(
            str(path),
            expected="[[criterion]] tables with id, section, text and status",
            seen=str(error),
            remedy="Correct the file.",
        ) from error
    seen: set[str] = set()
    for criterion in criteria:
        if criterion.id in seen:
            raise ConfigurationError(
                str(path),
                expected="each id once",
                seen=f"{criterion.id} twice",
                remedy="Give one another id.",
            )
        seen.add(criterion.id)
    return criteria
