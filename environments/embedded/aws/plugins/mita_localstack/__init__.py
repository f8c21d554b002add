"""What the embedded environment changes in LocalStack; it runs in LocalStack's own process."""
