"""The Kubernetes control plane of an embedded environment: real servers, closed to strangers."""

from environments.embedded.control_plane.authority import Authority, KeyPair
from environments.embedded.control_plane.control_plane import ControlPlane

__all__ = ["Authority", "ControlPlane", "KeyPair"]
