"""Processes of an embedded environment: started as a race, watched, ended for certain."""

from environments.embedded.processes.process import Process, ProcessSpec
from environments.embedded.processes.supervisor import Supervisor

__all__ = ["Process", "ProcessSpec", "Supervisor"]
