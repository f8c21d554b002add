"""Tests of the guard that lets a run only read."""
