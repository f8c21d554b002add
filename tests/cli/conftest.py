"""The servers of the deployer's tests serve here too."""

from tests.deployer.conftest import place, servers  # noqa: F401  fixtures
