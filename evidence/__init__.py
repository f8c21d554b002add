"""Timeline, redaction and report."""
