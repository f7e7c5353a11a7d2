"""The site's ledger asks the real accountant under the site's own policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.audit import Event
from policies.errors import BudgetError, IntegrityError
from policies.guard import Site, open_site
from policies.policy import default_policy_text
from policies.releases import PoissonSampledGaussian
from policies.workspace import Workspace
from privacy.training.accounting import epsilon
from privacy.training.budget import open_ledger

ONE = PoissonSampledGaussian("1.95", "0.9", 1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text("alice").replace("delta = 1e-5", "delta = 1e-6"))
    return open_site(workspace, "north", "alice")


def test_cap_and_delta_are_those_of_the_policy(site: Site) -> None:
    ledger = open_ledger(site)
    assert (ledger.cap, ledger.delta) == (8.0, 1e-6)


def test_epsilon_composes_over_openings_and_not_by_addition(site: Site) -> None:
    for number in range(3):
        booked = open_ledger(site).book("plan", number, ONE)
        site.guard.record(Event.BUDGET_SPENT, plan="plan", round=number)
    assert booked == open_ledger(site).spent() == epsilon([ONE] * 3, 1e-6)
    assert epsilon([ONE], 1e-6) < booked < 3 * epsilon([ONE], 1e-6)


def test_what_the_policy_does_not_bear_is_refused(site: Site) -> None:
    with pytest.raises(BudgetError, match="over the policy's 8"):
        open_ledger(site).afford([ONE] * 60)
    assert open_ledger(site).spendings() == []


def test_a_lost_ledger_gives_no_new_budget(site: Site) -> None:
    open_ledger(site).book("plan", 1, ONE)
    site.guard.record(Event.BUDGET_SPENT, plan="plan", round=1)
    site.home.ledger.unlink()
    with pytest.raises(IntegrityError, match="lacks 1 bookings that the audit log holds"):
        open_ledger(site)


def test_a_log_that_lost_bookings_is_found_out(site: Site) -> None:
    for number in range(2):
        ledger = open_ledger(site)
        ledger.book("plan", number, ONE)
    with pytest.raises(IntegrityError, match="2 bookings of the ledger are not in the log"):
        open_ledger(site)
