"""The embedded environment: real servers as local processes, without containers or root."""
