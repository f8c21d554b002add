"""Reading without a chance to change anything: every call is judged before it is sent."""

from environments.guard.budget import Budget, BudgetError
from environments.guard.environment import ReadOnlyEnvironment
from environments.guard.guard import ForbiddenCallError, Guard

__all__ = ["Budget", "BudgetError", "ForbiddenCallError", "Guard", "ReadOnlyEnvironment"]
