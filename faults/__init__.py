"""Typed faults, each undone by the object that made it."""
