"""What nobody else tells Prometheus of secrets: their ages, rotations, syncs and readers; never a value."""
