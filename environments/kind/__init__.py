"""The environment of containers: kind for Kubernetes, and images that can be built without a registry."""
