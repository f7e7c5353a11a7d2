"""A refusal stands in a site's log once, however far it is passed on before the server is told its code.

A server may ask for what is refused as often as it likes, so that its questions could fill the site's disk: a refusal
that repeats the last one is not logged again, nor are more than so many in a day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from policies.errors import ConfideError
from policies.events import Entry, Event
from policies.guard import Site
from policies.logview import look

MOST_A_DAY = 100
REFUSALS = frozenset({Event.PLAN_REFUSED, Event.RUN_REFUSED, Event.BUDGET_REFUSED, Event.ROUND_FAILED})
_DAY = timedelta(days=1)
_RECENT = 1024  # entries that are looked at
_LOGGED = "It stands in the audit log of this site."


def log_refusal(site: Site, error: ConfideError, event: Event = Event.RUN_REFUSED, **details: str | int) -> None:
    """Record why this site refuses, and note on the error that it is recorded."""
    record_refusal(site, event, reason=error.message, **details)
    error.add_note(_LOGGED)


def record_refusal(site: Site, event: Event, **details: str | int) -> None:
    """Record a refusal; the last one of which a day's log has room says that further ones are not logged."""
    refused = [entry for entry in recent_entries(site) if entry.event in REFUSALS]
    said = {**details, "policy": site.guard.policy.digest}
    repeated = bool(refused) and (refused[-1].event, refused[-1].details) == (event, said)
    since = (datetime.now(UTC) - _DAY).isoformat(timespec="microseconds")
    room = MOST_A_DAY - sum(entry.time > since for entry in refused)
    if repeated or room <= 0:
        return
    site.guard.record(event, **details, **({"last_of_the_day": MOST_A_DAY} if room == 1 else {}))


def recent_entries(site: Site) -> list[Entry]:
    """The newest entries of a site's log."""
    view = look(site.home.audit, site.keys.public)
    return [*view.entries(view.size - _RECENT)]


def is_logged(error: Exception) -> bool:
    """Whether a refusal stands in the log already."""
    return _LOGGED in getattr(error, "__notes__", ())
