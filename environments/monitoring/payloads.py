"""What Slack's incoming webhooks and PagerDuty's Events API take, as their documentation says."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

_Text = Annotated[str, Field(min_length=1)]


class SlackMessage(BaseModel):
    """A message for an incoming webhook; something that is shown has to be in it."""

    model_config = ConfigDict(extra="allow")

    text: _Text | None = None
    blocks: Annotated[list[dict[str, JsonValue]], Field(max_length=50)] | None = None
    attachments: Annotated[list[dict[str, JsonValue]], Field(max_length=100)] | None = None

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        if not (self.text or self.blocks or self.attachments):
            raise ValueError("no_text")
        return self


class EventPayload(BaseModel):
    """What a triggering event tells."""

    model_config = ConfigDict(extra="forbid")

    summary: Annotated[str, Field(min_length=1, max_length=1024)]
    source: _Text
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: str | None = None
    component: str | None = None
    group: str | None = None
    # `class` is one of Python's own words.
    kind: Annotated[str | None, Field(alias="class")] = None
    custom_details: JsonValue = None


class PagerDutyEvent(BaseModel):
    """An event of the Events API, version 2."""

    model_config = ConfigDict(extra="forbid")

    routing_key: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{32}$")]
    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    payload: EventPayload | None = None
    client: str | None = None
    client_url: str | None = None
    links: list[dict[str, str]] = Field(default_factory=list)
    images: list[dict[str, str]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_what_its_action_needs(self) -> Self:
        if self.event_action == "trigger" and self.payload is None:
            raise ValueError("payload is missing")
        if self.event_action != "trigger" and self.dedup_key is None:
            raise ValueError("dedup_key is missing")
        return self


def complaints(error: ValidationError) -> list[str]:
    """Say what is wrong with a message, without what it holds."""
    found: list[dict[str, Any]] = [
        dict(each) for each in error.errors(include_input=False, include_url=False)
    ]
    return [f"{'.'.join(map(str, each['loc'])) or 'message'}: {each['msg']}" for each in found]
