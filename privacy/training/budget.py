"""The ledger of one hospital with its accountant, its log beside it, and one training at a time.

The order of a private release, which holds at any point at which a process may be killed:

1. reserved in the ledger, so that it counts against the cap;
2. all that can fail without a look at a private gradient;
3. `budget.spent` in the audit log, which names the booking;
4. spent in the ledger;
5. the private gradient, and nothing gives the budget back from here on.

Whoever trains next finds a reservation that a dead process left behind: spent if the log says so, else refunded.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from policies.database import there
from policies.errors import BudgetError, IntegrityError
from policies.events import Entry, Event
from policies.files import storage_errors
from policies.guard import Site
from policies.keys import PublicKey
from policies.ledger import Booking, Ledger, State
from policies.releases import Release, epsilon_text
from policies.retention import logged_releases
from policies.workspace import SiteHome
from privacy.training.accounting import epsilon

_PATIENCE = 60.0  # seconds that a training waits for another one's round to end
_PAUSE = 0.05


def open_ledger(site: Site) -> Ledger:
    """The site's own budget, checked against its log.

    Raises:
        IntegrityError: ledger and log do not hold the same bookings.
    """
    check_bookings(site.home, site.keys.public)
    caps = site.guard.policy.training
    return Ledger(site.home.ledger_url, epsilon, epsilon=caps.epsilon, delta=caps.delta)


def check_bookings(home: SiteHome, key: PublicKey) -> None:
    """Ledger and log each remember for the other.

    A ledger that was lost or restored from an old backup would spend the same budget twice, and a log that was thrown
    away verifies as an empty one.

    Raises:
        IntegrityError: one of them lacks what was spent by the other, or says something else of it.
    """
    # A training may go on meanwhile: what the ledger calls spent stood in the log before that, and what stands in the
    # log was reserved before that, so the ledger is read on both sides of the log.
    before = _bookings(home)
    logged = _spent_by(logged_releases(home.audit, key))
    after = {booking.id: booking for booking in _bookings(home)}
    lost = sum(number not in after or said != _said(after[number]) for number, said in logged.items())
    if lost:
        raise IntegrityError(
            f"the ledger of '{home.name}' lacks {lost} bookings that the audit log holds, so nothing is trained",
            "Restore the ledger from the backup that belongs to this log.",
        )
    unlogged = sum(booking.state is State.SPENT and booking.id not in logged for booking in before)
    if unlogged:
        raise IntegrityError(
            f"{home.audit}: lacks {unlogged} bookings that the ledger holds as spent, so nothing is trained",
            "Restore the log from the backup that belongs to this ledger.",
        )


@contextmanager
def one_training(site: Site) -> Iterator[None]:
    """Holds the site's training lock, which ends with the process whatever ends that.

    Raises:
        BudgetError: another training held it for a minute.
    """
    with storage_errors(site.home.training_lock):
        stream = site.home.training_lock.open("ab")
    with stream:
        deadline = time.monotonic() + _PATIENCE
        while not _taken(stream.fileno()):
            if time.monotonic() > deadline:
                raise BudgetError(
                    f"another training runs at site '{site.name}', so this one books nothing",
                    "Wait until it has ended, then run the command again.",
                )
            time.sleep(_PAUSE)
        yield


@contextmanager
def spending(site: Site, plan: str, round_number: int, release: Release, noise: str) -> Iterator[None]:
    """Book one release: reserved while the body runs, spent when it ends, refunded and logged if it fails.

    The body is for all that can fail without a look at a private gradient, which is computed after it. To be used
    within `one_training`.

    Args:
        noise: where its noise comes from, for the log.

    Raises:
        BudgetError: the cap would be exceeded, or the policy's delta is not the cohort's; nothing is booked.
    """
    ledger = open_ledger(site)
    _settle(site, ledger)
    try:
        booking, after = ledger.reserve(plan, round_number, release)
    except BudgetError as error:
        site.guard.record(Event.BUDGET_REFUSED, plan=plan, round=round_number, reason=error.message)
        raise
    try:
        yield
    except BaseException as error:
        reason = f"the round ended before its gradient: {type(error).__name__}"
        _refund(site, ledger, booking, reason)
        raise
    site.guard.record(
        Event.BUDGET_SPENT,
        booking=booking.id,
        plan=plan,
        round=round_number,
        release=release.as_details(),
        delta=repr(ledger.delta),
        epsilon=epsilon_text(after),
        noise=noise,
    )
    ledger.spend(booking)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _settle(site: Site, ledger: Ledger) -> None:
    """Decide on what a dead process left reserved; nobody else trains now."""
    left = [booking for booking in ledger.bookings() if booking.state is State.RESERVED]
    spent = _spent_by(logged_releases(site.home.audit, site.keys.public)) if left else {}
    for booking in left:
        if booking.id in spent:
            ledger.spend(booking)
        else:
            _refund(site, ledger, booking, "the process was ended before its gradient")


def _refund(site: Site, ledger: Ledger, booking: Booking, reason: str) -> None:
    place = {"booking": booking.id, "plan": booking.plan, "round": booking.round}
    site.guard.record(Event.BUDGET_REFUNDED, **place, reason=reason)
    ledger.refund(booking)


def _bookings(home: SiteHome) -> list[Booking]:
    url = home.ledger_url
    return Ledger(url, epsilon, epsilon=0.0, delta=1.0).bookings() if there(url) else []


def _spent_by(releases: Sequence[Entry]) -> dict[int | None, tuple[object, ...]]:
    """What the log says was spent, by booking."""
    return {
        entry.details.get("booking"): (entry.details["plan"], entry.details["round"], entry.details["release"], True)
        for entry in releases
        if entry.event is Event.BUDGET_SPENT
    }


def _said(booking: Booking) -> tuple[object, ...]:
    return booking.plan, booking.round, booking.release.as_details(), booking.counts
