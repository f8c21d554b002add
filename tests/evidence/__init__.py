"""Tests of the evidence: redaction, results, judgement, report."""
