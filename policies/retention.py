"""Deletes what is older than the law wants kept, and keeps what was released: what was spent never comes back.

Entries go by whole bundles, the oldest first. The hashes of the tree stay, so every checkpoint and every proof of a
later entry still holds; what must last is carried forward word for word, so that each can be compared with its hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from policies.audit import LARGEST_GROUP, AuditLog
from policies.errors import InputError
from policies.events import Entry, Event, decode
from policies.files import canonical_json, storage_errors, write_whole
from policies.keys import PublicKey
from policies.logview import PRUNED, SEALED, LogView, look
from policies.tiles import ENTRIES, WIDTH, decode_bundle, tile_path
from policies.tlog import EMPTY_ROOT, range_root

RELEASES = frozenset(
    {
        Event.BUDGET_SPENT,
        Event.BUDGET_REFUNDED,
        Event.UPDATE_RELEASED,
        Event.MODEL_SIGNED,
        Event.CONSENT_RECORDED,
        Event.CONSENT_WITHDRAWN,
        Event.PATIENT_ERASED,
        # not released, and needed as long: reviews owed, whose key, what was trained on, who vouched
        Event.BREAK_GLASS_STARTED,
        Event.BREAK_GLASS_ENDED,
        Event.BREAK_GLASS_REVIEWED,
        Event.KEY_CREATED,
        Event.KEY_ROTATED,
        Event.COHORT_PREPARED,
        Event.CERTIFICATE_SIGNED,
    }
)
_CARRIED = RELEASES | {Event.RELEASE_CARRIED}


@dataclass(frozen=True)
class Pruned:
    """What was deleted: the entries from `first` to before `until`, of which `carried` stand in the log anew."""

    first: int
    until: int
    carried: int


def keep_from(today: date, years: int) -> date:
    """The first day whose entries a retention of so many years keeps."""
    leap_day = (today.month, today.day) == (2, 29)
    return today.replace(year=today.year - years, day=28 if leap_day else today.day)


def prune(log: AuditLog, before: date, years: int) -> Pruned:
    """Delete the bundles whose entries are all older than a day (UTC), once their releases are carried forward.

    A crash at any point leaves a log that verifies, and the next call goes on.

    Args:
        years: how long the policy keeps entries (`audit.keep_years`).

    Raises:
        InputError: the policy keeps entries of that day still.
        IntegrityError: the log does not verify; nothing was deleted.
    """
    newest = keep_from(datetime.now(UTC).date(), years)
    if before > newest:
        raise InputError(f"the policy keeps entries for {years} years", f"Name a day up to {newest}.")
    view = look(log.folder, log.key)
    until, releases = _older(view, before)
    if until > view.first:
        for start in range(0, len(releases), LARGEST_GROUP):
            group = releases[start : start + LARGEST_GROUP]
            log.append_all([(Event.RELEASE_CARRIED, {"entry": json.loads(line)}) for line in group])
        root = range_root(0, until, view.tree.node).hex()  # the tree head at that size, which any later one continues
        pruned = log.append(
            Event.LOG_PRUNED,
            first=view.first,
            until=until,
            root=root,
            carried=len(releases),
            before=str(before),
            years=years,
        )
        write_whole(log.folder / PRUNED, str(pruned.sequence).encode())
    with storage_errors(log.folder):
        _delete(log.folder, until)
    return Pruned(view.first, until, len(releases))


def releases_of(entries: Iterable[Entry]) -> list[Entry]:
    """The entries about releases, in their order; those that pruning carried forward as they stood before it."""
    return _in_order(_gathered({}, entries))


def logged_releases(folder: Path, key: PublicKey) -> list[Entry]:
    """`releases_of` a whole log, verified.

    A training asks for them in every round, so what this process has read it reads no second time while the log still
    goes on from there.

    Raises:
        IntegrityError: naming the first bad entry.
    """
    view, place = look(folder, key), (folder, key.raw)
    size, root, known = _read.get(place, (0, EMPTY_ROOT, {}))
    if size > view.size or (size and range_root(0, size, view.tree.node) != root):
        size, known = 0, {}
    found = _gathered(dict(known), view.entries(size))
    _read[place] = (view.size, view.signed.root, found)
    return _in_order(found)


_read: dict[tuple[Path, bytes], tuple[int, bytes, dict[int, Entry]]] = {}  # of each log, up to where, and its releases


def _gathered(found: dict[int, Entry], entries: Iterable[Entry]) -> dict[int, Entry]:
    for entry in entries:
        if entry.event is Event.RELEASE_CARRIED:
            original = entry.details["entry"]
            found.setdefault(original["seq"], decode(canonical_json(original), original["seq"], None))
        elif entry.event in RELEASES:
            found[entry.sequence] = entry
    return found


def _in_order(found: Mapping[int, Entry]) -> list[Entry]:
    return [found[sequence] for sequence in sorted(found)]


def _older(view: LogView, before: date) -> tuple[int, list[bytes]]:
    """Where the first bundle begins that holds an entry of that day or later, and the releases before it."""
    until, releases = view.first, list[bytes]()
    while until + WIDTH <= view.tree.base:
        bundle = list(view.entries(until, until + WIDTH))
        if any(entry.time >= str(before) for entry in bundle):
            break
        releases += [_original(view, entry) for entry in bundle if entry.event in _CARRIED]
        until += WIDTH
    return until, releases


def _original(view: LogView, entry: Entry) -> bytes:
    carried = entry.event is Event.RELEASE_CARRIED
    return canonical_json(entry.details["entry"]) if carried else view.line(entry.sequence)


def _delete(folder: Path, until: int) -> None:
    """The bundles before `until`, and what their entries sealed, except what belongs to a carried one."""
    for first in range(0, until, WIDTH):
        path = folder / tile_path(ENTRIES, first // WIDTH)
        if path.exists():
            for digest in _sealed_in(decode_bundle(path.read_bytes())):
                (folder / SEALED / digest).unlink(missing_ok=True)
            path.unlink()


def _sealed_in(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        entry = json.loads(line)
        if "sealed" in entry and entry["event"] not in _CARRIED:
            yield entry["sealed"]
