"""Images for networks that reach package mirrors, but no image registry.

``images.toml`` says what there is and how each is made; `builder.Builder` makes it.
"""
