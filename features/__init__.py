"""Feature files and the module that binds them."""
