"""Where the system is deployed: one class each behind one small protocol."""
