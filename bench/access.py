"""Access decisions: milliseconds of one question to Cedar, of one that is let in and logged, and of a break-glass one.

The target is 2 ms for 99 of 100 decisions. What is logged is durable before it counts, so the disk is in those times.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter

from bench.report import digits, json_line, start
from dashboard.console import say, table
from policies.access import Action, Conditions, Purpose
from policies.care_team import Member
from policies.guard import Site, account_name, open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.vault import break_glass
from privacy.vault.originals import Vault

DECISIONS, DECISIONS_QUICK = 5000, 500
_GRANTS = 20  # of one clinician for one patient, all to be read
_REFUSED = frozenset([Purpose.TREATMENT])


def opened(folder: Path) -> Site:
    """A new hospital with some grants."""
    workspace = Workspace(folder / "workspace")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text(account_name()))
    site = open_site(workspace, "bench")
    Vault(site.home.vault, site.keys.wrapping).keys_of(["p1"])
    site.guard.care_teams.change([Member("p2", site.guard.actor)])
    for _ in range(_GRANTS):
        break_glass.start(site, "p1", "a reason", 30)
    return site


def run(chosen: Namespace) -> None:
    """Measure, and print a table and, if asked, a line of JSON."""
    with TemporaryDirectory() as folder:
        guard, view, care = opened(Path(folder)).guard, Action.VIEW_NOTE, Purpose.TREATMENT
        under = Conditions(_REFUSED, break_glass=True)
        questions: dict[str, Callable[[], object]] = {
            "decided": lambda: guard.decide(view, care, under),
            "decided and logged": lambda: guard.permit(view, care, patient="p2"),
            f"with {_GRANTS} grants, decided and logged": lambda: guard.permit(
                view, care, patient="p1", consent_denied=_REFUSED
            ),
        }
        count = DECISIONS_QUICK if chosen.quick else DECISIONS
        figures = {name: _milliseconds(question, count) for name, question in questions.items()}
    rows = [(name, digits(half), digits(most)) for name, (half, most) in figures.items()]
    table(f"milliseconds of one access decision, {count} of each", ("what", "p50", "p99"), rows)
    if chosen.json:
        said = {name: {"p50_ms": half, "p99_ms": most} for name, (half, most) in figures.items()}
        say(json_line("access", chosen.quick, decisions=count, figures=said))


def _milliseconds(question: Callable[[], object], count: int) -> tuple[float, float]:
    """Median and 99th percentile, after a few that warm up."""
    for _ in range(10):
        question()
    taken = []
    for _ in range(count):
        started = perf_counter()
        question()
        taken.append((perf_counter() - started) * 1000)
    cuts = quantiles(taken, n=100)
    return cuts[49], cuts[98]


if __name__ == "__main__":
    start("How long an access decision takes.", run)
