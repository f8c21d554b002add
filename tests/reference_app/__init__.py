"""Tests of the reference application, most of them against the running process."""
