"""A hospital's rounds in a process of its own, which says what it does in a trace that a kill cannot take back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clinical.classifier import trained_weights
from federated import site_round
from federated.parties import SIMULATED_SITES
from federated.plan import Plan
from federated.site_round import plan_classifier, train_round
from policies.audit import read_entries
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import Site
from policies.ledger import Ledger
from policies.releases import Release
from policies.workspace import WORKSPACE_VARIABLE, Workspace
from privacy.training import budget
from tests.federated.hospitals import hospital, order_for, plan_for

ROUNDS = 5000
POINTS: dict[str, tuple[Any, str, bool]] = {
    "reserved": (Ledger, "reserve", True),
    "logged": (Ledger, "spend", False),
    "spent": (Ledger, "spend", True),
    "computed": (site_round, "private_step", True),
    "stored": (site_round, "write_whole", True),
    "released": (site_round, "log_release", True),
}
"""Where a process may be killed: the name that it is at, and whether after it rather than before it."""


def long_plan(encoder: Path) -> Plan:
    return plan_for(encoder, rounds=ROUNDS)


def count(plans: Sequence[Sequence[Release]], delta: float) -> float:
    """In the place of epsilon, which is not what may be killed."""
    return float(sum(map(len, plans)))


def train(root: Path, encoder: Path, first: int, last: int, die: str = "") -> None:
    """Answer some rounds; `die` names the point at which the process kills itself."""
    budget.epsilon = count
    os.environ |= {WORKSPACE_VARIABLE: str(root), SIMULATED_SITES: "north"}
    site, plan, trace = hospital(Workspace(root)), long_plan(encoder), Trace(root / "trace")
    trace_gradients(site, trace)
    if die:
        owner, name, after = POINTS[die]
        setattr(owner, name, killed(getattr(owner, name), after))
    weights = trained_weights(plan_classifier(plan))
    trace.write("ready")
    for number in range(first, last + 1):
        gradient = train_round(site, order_for(plan, number, weights)).gradient
        trace.write("sent", number, sha256_hex(b"".join(gradient[name].tobytes() for name in sorted(gradient))))


class Trace:
    """Lines in a file, each on the disk before the program goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, *words: object) -> None:
        with self._path.open("a") as stream:
            stream.write(" ".join(map(str, words)) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def lines(self, kind: str) -> list[list[str]]:
        """The words of all whole lines of a kind."""
        text = self._path.read_text() if self._path.exists() else ""
        words = [line.split() for line in text.split("\n")[:-1]]
        return [rest for first, *rest in words if first == kind]


def trace_gradients(site: Site, trace: Trace) -> None:
    """Write before each private gradient which booking the log named last."""
    real = site_round.private_step

    def traced(*arguments: Any, **more: Any) -> Any:
        last = read_entries(site.home.audit, site.keys.public)[-1]
        trace.write("gradient", last.details["booking"] if last.event is Event.BUDGET_SPENT else "none")
        return real(*arguments, **more)

    site_round.private_step = traced


def killed(function: Callable[..., Any], after: bool) -> Callable[..., Any]:
    def instead(*arguments: Any, **more: Any) -> Any:
        if after:
            function(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    return instead
