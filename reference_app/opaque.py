"""Credentials that MITA hands on to others' services: held and replaced, nothing here logs in with them."""

from __future__ import annotations

from collections.abc import Mapping

from reference_app.reload import required


class Opaque:
    """The values in use, of which some must be there."""

    login_errors: tuple[type[Exception], ...] = ()

    def __init__(self, *keys: str) -> None:
        self._keys = keys
        self.values: dict[str, str] = {}

    async def adopt(self, values: Mapping[str, str]) -> dict[str, str]:
        """Take the values under this object's keys."""
        self.values = {key: required(values, key) for key in self._keys}
        return self.values
