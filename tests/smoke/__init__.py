"""Tests of smoke runs, against an environment that runs and is deployed."""
