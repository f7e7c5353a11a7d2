"""The ledger of one hospital with its accountant: what its patients were exposed to, under its own policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from policies.audit import Entry, Event
from policies.errors import IntegrityError
from policies.guard import Site
from policies.ledger import Ledger
from policies.workspace import SiteHome
from privacy.accounting import epsilon


def open_ledger(site: Site) -> Ledger:
    """The site's own budget."""
    caps = site.guard.policy.training
    return Ledger(site.home.ledger_url, epsilon, epsilon=caps.epsilon, delta=caps.delta)


def check_bookings(home: SiteHome, entries: Sequence[Entry]) -> None:
    """A log that was thrown away verifies as an empty one, but the ledger beside it remembers.

    Raises:
        IntegrityError: the ledger holds bookings that the log does not; one may be lost to a crash between the two.
    """
    if not home.ledger.exists():
        return
    ledger = Ledger(home.ledger_url, epsilon, epsilon=0.0, delta=1.0)  # asked for its rows alone
    logged = Counter((e.details["plan"], e.details["round"]) for e in entries if e.event is Event.BUDGET_SPENT)
    missing = Counter((booked.plan, booked.round) for booked in ledger.spendings()) - logged
    if missing.total() > 1:
        raise IntegrityError(f"{home.audit}: {missing.total()} bookings of the ledger are not in the log")
