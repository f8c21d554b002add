"""The judge of every call of a guarded run, and the record of what it refused."""

from __future__ import annotations

import threading
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

from deployer.errors import RefusedError
from environments.guard.allowances import Allowances, allowances
from environments.guard.budget import Budget, BudgetError


class ForbiddenCallError(RefusedError):
    """A call that a read-only run may not make; it has not been sent."""


class Guard:
    """Judges calls by name before they are sent.

    What it refuses it also remembers: a step that swallows the error does not save the run.

    Args:
        budget: What the run may spend.
        allowed: What it may ask.

    Attributes:
        budget: What the run may spend.
        application: Base URL of the application, which alone may be posted to.
    """

    def __init__(self, budget: Budget, allowed: Allowances | None = None) -> None:
        self.budget = budget
        self.application: str | None = None
        self._allowed = allowed or allowances()
        self._identified = False
        self._refusals: dict[str, None] = {}
        self._this = threading.local()

    @property
    def allowed(self) -> Allowances:
        """What may be asked."""
        return self._allowed

    @property
    def refusals(self) -> tuple[str, ...]:
        """What was refused so far, in order, each once."""
        return tuple(self._refusals)

    @property
    def identified(self) -> bool:
        """Whether account, context and cluster are known to be the configured ones."""
        return self._identified

    def identify(self) -> None:
        """Take note that account, context and cluster are the configured ones."""
        self._identified = True

    def aws(self, service: str, operation: str) -> None:
        """Judge a call of AWS by its operation.

        Raises:
            ForbiddenCallError: It is not one of those allowed.
        """
        call = f"{service}:{operation}"
        if operation not in self._allowed.aws.get(service, ()):
            self.refuse(call, expected="an operation that only reads")
        if not self._identified and operation not in self._allowed.before_identity.get(service, ()):
            self.refuse(call, expected="account and cluster to be checked before anything else is asked")

    def sends_aws(self, service: str, operation: str, method: str) -> None:
        """Count an attempt of a call that was judged, and let this thread's next request through.

        Raises:
            BudgetError: There is nothing left for it.
        """
        self._spend(f"{service}:{operation}")
        self._this.judged = method

    def kubernetes(self, method: str, path: str) -> None:
        """Judge a request to the cluster's API by method and path.

        Raises:
            ForbiddenCallError: It is not one of those allowed.
        """
        call = f"{method} {urlsplit(path).path}"
        rules = self._allowed.kubernetes
        dry = method in rules.dry_runs and parse_qs(urlsplit(path).query).get("dryRun") == ["All"]
        if method not in rules.methods and not dry:
            self.refuse(f"Kubernetes {call}", expected=f"one of {', '.join(sorted(rules.methods))}")
        if not any(pattern.fullmatch(urlsplit(path).path) for pattern in rules.paths):
            self.refuse(f"Kubernetes {call}", expected="an object, a list, or a pod's log")
        if not self._identified:
            self.refuse(
                f"Kubernetes {call}",
                expected="account and context to be checked before anything else is asked",
            )
        if dry:
            self._spend(call)
            self._this.judged = method

    def http(self, method: str, host: str, port: int | None, target: str) -> None:
        """Judge any request over HTTP, by whatever library, as it is about to be sent.

        Raises:
            ForbiddenCallError: It is not one of those allowed.
            BudgetError: There is nothing left for it.
        """
        judged, self._this.judged = getattr(self._this, "judged", None), None
        if judged == method:  # by the client that asks, which knows more
            return
        path, rules = urlsplit(target).path, self._allowed.http
        if not (
            method in rules.methods
            or any(pattern.fullmatch(host) for pattern in rules.credentials_hosts)
            or (method == "POST" and path in rules.posts_to_application and self._is_application(host, port))
        ):
            self.refuse(f"HTTP {method} {host}{path}", expected="a request that only reads")
        self._spend(f"{method} {host}{path}")

    def _is_application(self, host: str, port: int | None) -> bool:
        known = urlsplit(self.application or "")
        usual = {"http": 80, "https": 443}.get(known.scheme)
        return (host, port) == (known.hostname, known.port or usual)

    def _spend(self, request: str) -> None:
        try:
            self.budget.spend(request)
        except BudgetError as error:
            self._refusals[str(error)] = None
            raise

    def refuse(self, call: str, *, expected: str) -> NoReturn:
        """Refuse a call, and remember that.

        Raises:
            ForbiddenCallError: Always.
        """
        error = ForbiddenCallError(
            call,
            expected=expected,
            seen="a call that the read-only guard does not know",
            remedy="It was not sent. A scenario that needs it must not carry @production-smoke.",
        )
        self._refusals[str(error)] = None
        raise error
