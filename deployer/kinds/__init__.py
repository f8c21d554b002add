"""The kinds of objects that are deployed, one class each."""
