"""Tests of the encryption validator."""
