"""The ledger of one hospital with its accountant: what its patients were exposed to, under its own policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from policies.audit import Entry, Event, read_entries
from policies.errors import IntegrityError
from policies.guard import Site
from policies.ledger import Ledger
from policies.workspace import SiteHome
from privacy.training.accounting import epsilon


def open_ledger(site: Site) -> Ledger:
    """The site's own budget, checked against its log.

    Raises:
        IntegrityError: ledger and log do not hold the same bookings.
    """
    check_bookings(site.home, read_entries(site.home.audit, site.keys.public))
    caps = site.guard.policy.training
    return Ledger(site.home.ledger_url, epsilon, epsilon=caps.epsilon, delta=caps.delta)


def check_bookings(home: SiteHome, entries: Sequence[Entry]) -> None:
    """Each remembers for the other: a ledger that was lost or restored from an old backup would spend the same budget
    twice, and a log that was thrown away verifies as an empty one.

    Raises:
        IntegrityError: the ledger lacks a booking that the log holds, or the log more than one that the ledger holds
            (one may be lost to a crash between the two).
    """
    logged = Counter((e.details["plan"], e.details["round"]) for e in entries if e.event is Event.BUDGET_SPENT)
    booked: Counter[tuple[str, int]] = Counter()
    if home.ledger.exists():
        ledger = Ledger(home.ledger_url, epsilon, epsilon=0.0, delta=1.0)  # asked for its rows alone
        booked = Counter((spending.plan, spending.round) for spending in ledger.spendings())
    lost, unlogged = (logged - booked).total(), (booked - logged).total()
    if lost:
        raise IntegrityError(
            f"{home.ledger}: lacks {lost} bookings that the audit log holds, so nothing is trained",
            "Restore the ledger from the backup that belongs to this log.",
        )
    if unlogged > 1:
        raise IntegrityError(f"{home.audit}: {unlogged} bookings of the ledger are not in the log")
