"""Times and memory of what people wait for; nothing here is a test."""
