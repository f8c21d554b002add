"""Binds every feature file: each scenario becomes a test."""

from __future__ import annotations

from pytest_bdd import scenarios

scenarios(".")
