"""Rotation in the desired state: the functions, what they rotate, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from deployer.desired_secrets import DesiredSecret, Strict

Name = Annotated[str, Field(min_length=1)]
Administrator = Literal["database", "cache"]
_CONNECTION_STRING = "connection_string"


class DesiredFunction(Strict):
    """A Lambda function that rotates secrets of one kind.

    Attributes:
        name: Its name in Lambda.
        module: The module with its handler, beside the others in the artifacts.
        secrets: What it rotates, by names below the prefix.
        administrator: The server whose administrator it needs.
        previous: The secret that takes over the value before, where one does.
        environment: Further variables, such as time limits; never a secret value.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    module: Literal["database_rotation", "external_rotation", "jwt_rotation", "redis_rotation"]
    secrets: Annotated[tuple[str, ...], Field(min_length=1)]
    administrator: Administrator | None = None
    previous: str | None = None
    environment: dict[Annotated[str, Field(pattern=r"^[A-Z_]+$")], str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_what_its_module_needs(self) -> Self:
        needed = {"database_rotation": "database", "redis_rotation": "cache"}.get(self.module)
        if self.administrator != needed:
            raise ValueError(f"administrator of {self.module} must be {needed or 'left out'}")
        if (self.previous is not None) != (self.module == "jwt_rotation"):
            raise ValueError("previous is for jwt_rotation, which needs it")
        if self.module != "external_rotation" and len(self.secrets) != 1:
            raise ValueError(f"{self.module} rotates one secret")
        return self

    @property
    def handler(self) -> str:
        """The handler as Lambda names it."""
        return f"{self.module}.lambda_handler"

    @property
    def log_group(self) -> str:
        """The log group that Lambda writes to."""
        return f"/aws/lambda/{self.name}"


class DesiredRotation(Strict):
    """The functions and the schedule.

    Attributes:
        role: The functions' role.
        every_days: How often each secret is rotated.
    """

    phase: Annotated[int, Field(ge=0, le=8)]
    role: Name
    runtime: Literal["python3.11"]
    timeout_seconds: Annotated[int, Field(ge=1, le=900)]
    memory_megabytes: Annotated[int, Field(ge=128, le=10240)]
    every_days: Annotated[int, Field(ge=1, le=1000)]
    log_retention_days: PositiveInt
    functions: Annotated[tuple[DesiredFunction, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_function_rotates_a_secret(self) -> Self:
        names = [function.name for function in self.functions]
        secrets = [secret for function in self.functions for secret in function.secrets]
        for each in (names, secrets):
            if len(each) != len(set(each)):
                raise ValueError(f"every function and every rotated secret once, not {', '.join(each)}")
        return self

    def by(self, secret: str) -> DesiredFunction | None:
        """Return the function that rotates a secret, by its name below the prefix."""
        return next((each for each in self.functions if secret in each.secrets), None)

    def administrators(self) -> Iterator[Administrator]:
        """Name the servers whose administrators the functions need."""
        return (each.administrator for each in self.functions if each.administrator is not None)

    def secrets_named(self) -> Iterator[str]:
        """Name every secret that the functions work on."""
        for function in self.functions:
            yield from function.secrets
            if function.previous is not None:
                yield function.previous


def connection_template(secret: DesiredSecret, facts: Mapping[str, str | int]) -> str:
    """Return the template of a secret's connection string, with what the connections know.

    Raises:
        ValueError: It has none.
    """
    field = secret.fields.get(_CONNECTION_STRING)
    if field is None or field.template is None:
        raise ValueError(f"{secret.name} has no template for its {_CONNECTION_STRING}")
    return field.template_with(facts)


def supplied_forms(secret: DesiredSecret) -> dict[str, str]:
    """Return the forms of a secret's fields.

    Raises:
        ValueError: A field is not supplied by the operator.
    """
    forms = {name: field.supply for name, field in secret.fields.items() if field.supply is not None}
    if forms.keys() != secret.fields.keys():
        raise ValueError(f"{secret.name} has fields that the operator does not supply")
    return forms
