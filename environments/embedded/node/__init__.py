"""The process node: what a kubelet and its container runtime do, with local child processes."""
