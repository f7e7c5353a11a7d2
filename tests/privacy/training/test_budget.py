"""The site's ledger asks the real accountant under the site's own policy, and agrees with the site's log."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policies.errors import BudgetError, IntegrityError, StorageError
from policies.events import Event
from policies.guard import Site, open_site
from policies.ledger import State
from policies.policy import default_policy_text
from policies.releases import GaussianRelease, PoissonSampled
from policies.workspace import Workspace
from privacy.training import budget
from privacy.training.accounting import epsilon
from privacy.training.budget import check_bookings, one_training, open_ledger, spending
from tests.policies.logs import happened

ONE = PoissonSampled("0.9", GaussianRelease("1.95"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text("alice").replace("delta = 1e-5", "delta = 1e-6"))
    return open_site(workspace, "north", "alice")


def spend(site: Site, number: int = 1, body: Callable[[], object] = lambda: None) -> None:
    with one_training(site), spending(site, "plan", number, ONE, "dice"):
        body()


def states(site: Site) -> list[State]:
    return [booking.state for booking in open_ledger(site).bookings()]


def logged(site: Site) -> list[tuple[Event, Any]]:
    return [(e.event, e.details.get("booking")) for e in happened(site.home.audit, site.keys.public)]


def test_cap_and_delta_are_those_of_the_policy(site: Site) -> None:
    ledger = open_ledger(site)
    assert (ledger.cap, ledger.delta) == (8.0, 1e-6)


def test_epsilon_composes_over_openings_and_not_by_addition(site: Site) -> None:
    for number in range(3):
        spend(site, number)
    assert open_ledger(site).spent() == epsilon([[ONE] * 3], 1e-6)
    assert epsilon([[ONE]], 1e-6) < open_ledger(site).spent() < 3 * epsilon([[ONE]], 1e-6)


def test_what_the_policy_does_not_bear_is_refused(site: Site) -> None:
    with pytest.raises(BudgetError, match="over the policy's 8"):
        open_ledger(site).afford("plan", [ONE] * 60)
    assert open_ledger(site).bookings() == []


# One booking


def test_a_booking_is_reserved_within_and_spent_and_logged_after(site: Site) -> None:
    spend(site, 1, lambda: (states(site) == [State.RESERVED] and not logged(site)) or pytest.fail())
    assert states(site) == [State.SPENT]
    (entry,) = happened(site.home.audit, site.keys.public)
    assert entry.event is Event.BUDGET_SPENT
    said = {key: entry.details[key] for key in ("booking", "plan", "round", "release", "delta", "noise")}
    assert said == {
        "booking": 1, "plan": "plan", "round": 1, "release": ONE.as_details(), "delta": "1e-06", "noise": "dice",
    }  # fmt: skip


@pytest.mark.parametrize("error", [StorageError("full"), KeyboardInterrupt()])
def test_what_ends_before_the_gradient_is_refunded_and_logged(site: Site, error: BaseException) -> None:
    def failing() -> None:
        raise error

    with pytest.raises(type(error)):
        spend(site, 1, failing)
    assert (states(site), logged(site)) == ([State.REFUNDED], [(Event.BUDGET_REFUNDED, 1)])
    assert open_ledger(site).spent() == 0
    spend(site)
    assert states(site) == [State.REFUNDED, State.SPENT]


def test_what_is_refused_books_nothing_and_is_logged(site: Site) -> None:
    with (
        pytest.raises(BudgetError),
        one_training(site),
        spending(site, "plan", 1, GaussianRelease("0.1"), "dice"),
    ):
        pytest.fail("no release runs over the cap")
    assert (states(site), logged(site)) == ([], [(Event.BUDGET_REFUSED, None)])


# What a dead process left


def die(site: Site, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """End a training at a point, as a kill would: nothing after it runs."""

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(budget, "_refund", killed)
        patch.setattr("policies.ledger.Ledger.spend", killed)
        spend(site, 1, killed if at == "reserved" else lambda: None)


def test_a_reservation_that_was_not_logged_is_refunded_by_the_next_training(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    die(site, monkeypatch, "reserved")
    assert states(site) == [State.RESERVED]
    assert open_ledger(site).spent() > 0  # until then it counts
    spend(site)
    assert states(site) == [State.REFUNDED, State.SPENT]
    assert logged(site) == [(Event.BUDGET_REFUNDED, 1), (Event.BUDGET_SPENT, 2)]


def test_a_reservation_that_was_logged_as_spent_is_spent(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    die(site, monkeypatch, "logged")
    assert (states(site), logged(site)) == ([State.RESERVED], [(Event.BUDGET_SPENT, 1)])
    spend(site)
    assert states(site) == [State.SPENT, State.SPENT]


# Ledger and log remember for each other


def test_a_lost_ledger_gives_no_new_budget(site: Site) -> None:
    spend(site)
    site.home.ledger.unlink()
    with pytest.raises(IntegrityError, match="lacks 1 bookings that the audit log holds"):
        open_ledger(site)
    assert not site.home.ledger.exists()


def test_a_ledger_from_a_backup_gives_no_new_budget(site: Site, tmp_path: Path) -> None:
    spend(site, 1)
    shutil.copy(site.home.ledger, tmp_path / "backup")
    spend(site, 2)
    shutil.copy(tmp_path / "backup", site.home.ledger)
    with pytest.raises(IntegrityError, match="lacks 1 bookings"):
        spend(site, 3)


@pytest.mark.parametrize("change", ["state = 'refunded'", "round = 7", "release = replace(release, '1.95', '99')"])
def test_a_ledger_that_says_something_else_than_the_log_is_refused(site: Site, change: str) -> None:
    import sqlite3

    spend(site)
    with sqlite3.connect(site.home.ledger) as link:
        link.execute(f"UPDATE bookings SET {change}")
    with pytest.raises(IntegrityError, match="lacks 1 bookings"):
        open_ledger(site)


def test_a_log_that_lost_one_booking_is_found_out(site: Site) -> None:
    spend(site)
    shutil.rmtree(site.home.audit)
    with pytest.raises(IntegrityError, match="lacks 1 bookings that the ledger holds as spent"):
        check_bookings(site.home, site.keys.public)


# One training at a time


def test_a_second_training_waits_for_the_first(site: Site) -> None:
    order: list[str] = []

    def second() -> None:
        with one_training(site):
            order.append("second")

    with one_training(site):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.2)
        order.append("first")
    waiting.join(5)
    assert order == ["first", "second"]


def test_a_second_training_that_waited_too_long_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_PATIENCE", 0.1)
    with one_training(site), pytest.raises(BudgetError, match="another training runs at site 'north'"):
        spend(site)
    assert states(site) == []
