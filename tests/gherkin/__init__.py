"""Tests of the Gherkin lint: each rule finds a planted defect."""
