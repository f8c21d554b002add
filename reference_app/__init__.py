"""The stand-in for the MITA application: what consumes the secrets that everything else delivers.

It serves HTTP, keeps connections to PostgreSQL and Redis, signs and verifies tokens, and takes
every changed credential from its mounted files without a restart.
"""
