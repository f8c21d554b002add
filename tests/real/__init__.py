"""Tests of real environments: what describes them, and who may change them."""
