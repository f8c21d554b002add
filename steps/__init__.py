"""Thin step definitions, one module a subject."""
