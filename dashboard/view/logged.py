"""What a hospital's log says of its trainings, models, jobs, keys and policy, found by the index of the log."""

from __future__ import annotations

from policies.auditindex import AuditIndex, Search, read
from policies.events import Entry, Event
from policies.guard import Site
from policies.wording import to_the_minute

MOST = 1000  # of one event, the newest


def logged(site: Site, *events: Event) -> tuple[Entry, ...]:
    """The newest entries of these events, `MOST` of each, verified, the oldest first.

    What the index lacks of the log is read first: of a log of a million entries that nobody looked at, for a minute.

    Raises:
        IntegrityError: naming the first bad entry.
    """
    index = AuditIndex(site.home, site.keys)
    view, left = index.follow()
    while left:
        view, left = index.follow()
    found = [hit.sequence for event in events for hit in index.search(Search(event=event), MOST)]
    return tuple(read(view, found))


def when(entry: Entry) -> str:
    """The time of an entry, to the minute."""
    return f"{to_the_minute(entry.time)} UTC"
