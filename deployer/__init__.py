"""Deploys the system: observe, plan, apply, verify."""
