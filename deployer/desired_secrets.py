"""The shapes of the secrets: which fields they have and where each field comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deployer.secret_forms import FORMS, GENERATED_FORMS


class Strict(BaseModel):
    """Base of the desired state's types: immutable, no unknown keys, no conversions."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: object) -> object:
        # TOML has lists only; strict mode would refuse them where a tuple is declared.
        if isinstance(data, dict):
            return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return data


ConnectionFact = Literal["database.host", "database.port", "cache.host", "cache.port"]
_SCHEME = "cache.scheme"  # a fact that only templates refer to


class SecretField(Strict):
    """One field of a secret, with exactly one source.

    Attributes:
        generate: Form of a random value made here; ``*-256`` has 256 bits.
        supply: Form of a value that the operator gives.
        environment: Variable in which the operator may give it.
        source: Fact that the connections know, such as ``database.host``.
        constant: Value written when the secret is first populated.
        one_of: Values that a constant may have become since, for example by a rotation.
        timestamp: The time of the first population, UTC.
        template: Text with ``{field}`` for siblings, which are percent-encoded, and ``{cache.scheme}``.
    """

    model_config = ConfigDict(populate_by_name=True)

    generate: str | None = None
    supply: str | None = None
    environment: Annotated[str, Field(pattern=r"^MITA_[A-Z0-9_]+$")] | None = None
    source: ConnectionFact | None = Field(default=None, alias="from")
    constant: str | None = None
    one_of: tuple[str, ...] = ()
    timestamp: Literal[True] | None = None
    template: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = {
            "generate": self.generate,
            "supply": self.supply,
            "from": self.source,
            "constant": self.constant,
            "timestamp": self.timestamp,
            "template": self.template,
        }
        given = [name for name, value in sources.items() if value is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(sources)}, not {', '.join(given) or 'none'}")
        if self.generate is not None and self.generate not in GENERATED_FORMS:
            raise ValueError(f"generate must be one of {sorted(GENERATED_FORMS)}")
        if self.supply is not None and (self.supply not in FORMS or self.environment is None):
            raise ValueError(f"supply must be one of {sorted(FORMS)} and needs its environment variable")
        if self.one_of and self.constant not in self.one_of:
            raise ValueError("one_of must contain the constant")
        return self

    @property
    def form(self) -> str | None:
        """The form that values of this field must have, where it has one."""
        return self.generate or self.supply

    @property
    def confidential(self) -> bool:
        """Whether values of this field must never be shown."""
        return self.form is not None or self.template is not None

    @property
    def siblings(self) -> tuple[str, ...]:
        """The fields that the template refers to."""
        if self.template is None:
            return ()
        parsed = Formatter().parse(self.template)
        return tuple(name for _, name, _, _ in parsed if name is not None and name != _SCHEME)

    def template_with(self, facts: Mapping[str, str | int]) -> str:
        """Return the template with what the connections know; Redis' URLs are without TLS unless they do.

        Raises:
            ValueError: It has none.
        """
        if self.template is None:
            raise ValueError("this field has no template")
        return self.template.replace(f"{{{_SCHEME}}}", str(facts.get(_SCHEME, "redis")))


class DesiredSecret(Strict):
    """One secret in Secrets Manager: a JSON object with these fields."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+(/[a-z0-9-]+)+$")]
    description: str
    fields: Annotated[dict[str, SecretField], Field(min_length=1)]

    @model_validator(mode="after")
    def _templates_refer_to_fields(self) -> Self:
        for name, field in self.fields.items():
            for sibling in field.siblings:
                if sibling not in self.fields:
                    raise ValueError(f"field {name} refers to {{{sibling}}}, which {self.name} does not have")
                if self.fields[sibling].template is not None:
                    raise ValueError(f"field {name} refers to {{{sibling}}}, which is a template itself")
        return self

    def confidential(self) -> Iterator[str]:
        """Name the fields whose values must never be shown."""
        return (name for name, field in self.fields.items() if field.confidential)
