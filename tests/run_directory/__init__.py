"""Tests of run directories, their locks and their networks."""
