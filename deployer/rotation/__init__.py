"""A forced rotation: asked for, followed step by step, and proven where the secret is used."""
