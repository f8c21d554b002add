"""Tests of what the step definitions share."""
