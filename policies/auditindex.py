"""Finds entries of a log of millions: tables made from verified entries, and thrown away where the log is another.

The index says which entries there are; what they say is read from the log, which stays the truth. Each time it is
followed, the log's signature is checked, that it continues the tree that was read before, and every new entry.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

import sqlalchemy as sql

from policies.audit import verify
from policies.database import Database, url_of
from policies.errors import IntegrityError, StorageError
from policies.events import Entry, Event
from policies.exports.query import Filter, Outcome, facts_of, meaning_of, patients_of, purpose_of, short_hashes
from policies.keys import PublicKey
from policies.logview import LogView, look
from policies.notes import Checkpoint
from policies.tiles import WIDTH
from policies.tlog import EMPTY_ROOT, range_root
from policies.workspace import Home

AT_ONCE = 16 * WIDTH
_HOUR = len("2026-01-31T00")
_AFTER_A_DAY = "U"  # what follows the day in a time is a T

_metadata = sql.MetaData()
_entries = sql.Table(
    "entries",
    _metadata,
    sql.Column("sequence", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("time", sql.String(40), nullable=False, index=True),
    sql.Column("event", sql.String(64), nullable=False),
    sql.Column("actor", sql.Text, nullable=False),
    sql.Column("purpose", sql.Text, nullable=False),
    sql.Column("facts", sql.Text, nullable=False),
    sql.Index("of_an_event", "event", "sequence"),
    sql.Index("of_an_actor", "actor", "sequence"),
)
_patients = sql.Table(
    "patients",
    _metadata,
    sql.Column("patient", sql.Text, primary_key=True),
    sql.Column("sequence", sql.Integer, primary_key=True),
)
_activity = sql.Table(
    "activity",
    _metadata,
    sql.Column("hour", sql.String(_HOUR), primary_key=True),
    sql.Column("event", sql.String(64), primary_key=True),
    sql.Column("actor", sql.Text, primary_key=True),
    sql.Column("entries", sql.Integer, nullable=False),
)
_state = sql.Table(
    "state",
    _metadata,
    sql.Column("first", sql.Integer, nullable=False),
    sql.Column("size", sql.Integer, nullable=False),
    sql.Column("root", sql.String(64), nullable=False),
)
_replaced = sql.Table(
    "replaced", _metadata, sql.Column("time", sql.String(40), primary_key=True), sql.Column("size", sql.Integer)
)
_checks = sql.Table(
    "checks",
    _metadata,
    sql.Column("time", sql.String(40), primary_key=True),
    sql.Column("size", sql.Integer, nullable=False),
    sql.Column("warnings", sql.Text, nullable=False),
    sql.Column("failure", sql.Text, nullable=False),
)


@dataclass(frozen=True)
class Search(Filter):
    """Which entries; `text` stands in their details as people read them, in any case."""

    text: str = ""

    def matches(self, entry: Entry) -> bool:
        return super().matches(entry) and _folded(short_hashes(self.text)) in _folded(facts_of(entry.details))

    @property
    def plain(self) -> bool:
        """Whether counts by hour, event and account answer it."""
        return not (self.patient or self.purpose or self.text)


@dataclass(frozen=True)
class Hit:
    """An entry that was found."""

    sequence: int
    time: str
    event: str
    actor: str


@dataclass(frozen=True)
class Check:
    """What a reading of every entry said.

    Attributes:
        time: UTC, ISO 8601.
        size: entries of the log then.
        failure: why it does not verify, or nothing.
    """

    time: str
    size: int
    warnings: tuple[str, ...]
    failure: str


class AuditIndex:
    """The index of one log, beside it or in the hospital's database.

    Args:
        key: of the log.

    Raises:
        StorageError: the disk or the database refuses.
        IntegrityError: what stands there is no index.
    """

    def __init__(self, home: Home, key: PublicKey) -> None:
        self._folder, self._key = home.audit, key
        self._database = Database(url_of(f"{home.name}/index", home.audit_index), "index of the log")
        with self._database.transaction() as link:
            _metadata.create_all(link)

    def follow(self, most: int = AT_ONCE) -> tuple[LogView, int]:
        """Take in up to `most` further entries, each verified; returns the log as it stands, and how many are left.

        Raises:
            IntegrityError: naming the first bad entry; nothing after it is taken in.
        """
        with self._database.transaction() as link:
            view = look(self._folder, self._key)  # within: no view that is older than what was read before
            known = self._known(link, view)
            end = min(known + most, view.size)
            if known < end:
                _insert(link, list(view.entries(known, end)))
                root = view.signed.root if end == view.size else range_root(0, end, view.tree.node)
                link.execute(sql.update(_state).values(size=end, root=root.hex()))
        return view, view.size - end

    def search(self, asked: Search, most: int) -> tuple[Hit, ...]:
        """The newest `most` of the entries that were asked for, the newest first."""
        columns = (_entries.c.sequence, _entries.c.time, _entries.c.event, _entries.c.actor)
        newest = sql.select(*columns).where(*_conditions(asked)).order_by(_entries.c.sequence.desc()).limit(most)
        with self._database.transaction() as link:
            return tuple(Hit(*row) for row in link.execute(newest))

    def activity(self, asked: Search) -> list[tuple[str, str, int]]:
        """How many entries there are by hour and event; of what was asked, patient, purpose and text do not count."""
        times = sql.func.sum(_activity.c.entries)
        by_hour = sql.select(_activity.c.hour, _activity.c.event, times).where(*_common(asked, _activity, "hour"))
        with self._database.transaction() as link:
            return [tuple(row) for row in link.execute(by_hour.group_by(_activity.c.hour, _activity.c.event))]

    def seen(self) -> tuple[list[str], list[str]]:
        """Every event and every account that stand in the log."""
        with self._database.transaction() as link:
            events, actors = (
                sorted(link.execute(sql.select(column).distinct()).scalars())
                for column in (_activity.c.event, _activity.c.actor)
            )
        return events, actors

    def knows(self, patient: str) -> bool:
        """Whether an entry names this patient."""
        with self._database.transaction() as link:
            return bool(link.execute(sql.select(_patients).where(_patients.c.patient == patient).limit(1)).first())

    def replaced(self) -> list[tuple[str, int]]:
        """When another log was found than the one that was read before, and how many entries that had had."""
        with self._database.transaction() as link:
            return [(row.time, row.size) for row in link.execute(sql.select(_replaced).order_by(_replaced.c.time))]

    def check(self) -> Check:
        """Read and verify every entry of the log, and keep what that said."""
        try:
            found = verify(self._folder, self._key)
            made = Check(_now(), found.signed.size, found.warnings, "")
        except (IntegrityError, StorageError) as error:
            made = Check(_now(), 0, (), f"{error.message}. {error.hint}")
        row = {"time": made.time, "size": made.size, "warnings": json.dumps(made.warnings), "failure": made.failure}
        with self._database.transaction() as link:
            link.execute(sql.delete(_checks))
            link.execute(sql.insert(_checks).values(**row))
            self._forget_if_torn(link)
        return made

    def checked(self) -> Check | None:
        """What the newest reading of every entry said; None before the first."""
        with self._database.transaction() as link:
            row = link.execute(sql.select(_checks)).first()
        return Check(row.time, row.size, tuple(json.loads(row.warnings)), row.failure) if row else None

    def _known(self, link: sql.Connection, view: LogView) -> int:
        """Where to go on; everything is forgotten where entries were pruned, or the log is another one."""
        row = link.execute(sql.select(_state)).first()
        if row and row.first == view.first and view.continues(Checkpoint("", row.size, bytes.fromhex(row.root))):
            return int(row.size)
        if row and not view.continues(Checkpoint("", row.size, bytes.fromhex(row.root))):
            link.execute(sql.insert(_replaced).values(time=_now(), size=row.size))
        _forget(link)
        root = range_root(0, view.first, view.tree.node) if view.first else EMPTY_ROOT
        link.execute(sql.insert(_state).values(first=view.first, size=view.first, root=root.hex()))
        return view.first

    def _forget_if_torn(self, link: sql.Connection) -> None:
        """Somebody who takes rows out of the index hides entries from a search."""
        row = link.execute(sql.select(_state)).first()
        held = link.execute(sql.select(sql.func.count()).select_from(_entries)).scalar_one()
        if row and held != row.size - row.first:
            _forget(link)


def read(view: LogView, sequences: Iterable[int]) -> Iterator[Entry]:
    """Entries by their numbers, from the log itself, in its order; raises IntegrityError where one was altered."""
    for _, group in groupby(sorted(set(sequences)), lambda sequence: sequence // WIDTH):
        wanted = list(group)
        chosen = frozenset(wanted)
        yield from (entry for entry in view.entries(wanted[0], wanted[-1] + 1) if entry.sequence in chosen)


def _insert(link: sql.Connection, entries: Sequence[Entry]) -> None:
    rows = [
        {
            "sequence": entry.sequence, "time": entry.time, "event": str(entry.event), "actor": entry.actor,
            "purpose": purpose_of(entry), "facts": _folded(facts_of(entry.details)),
        }
        for entry in entries
    ]  # fmt: skip
    link.execute(sql.insert(_entries), rows)
    named = [{"patient": one, "sequence": entry.sequence} for entry in entries for one in set(patients_of(entry))]
    if named:
        link.execute(sql.insert(_patients), named)
    for (hour, event, actor), count in Counter(
        (entry.time[:_HOUR], str(entry.event), entry.actor) for entry in entries
    ).items():
        place = (_activity.c.hour == hour) & (_activity.c.event == event) & (_activity.c.actor == actor)
        more = sql.update(_activity).where(place).values(entries=_activity.c.entries + count)
        if not link.execute(more).rowcount:
            link.execute(sql.insert(_activity).values(hour=hour, event=event, actor=actor, entries=count))


def _forget(link: sql.Connection) -> None:
    for table in (_entries, _patients, _activity, _state):
        link.execute(sql.delete(table))


def _conditions(asked: Search) -> Iterator[sql.ColumnElement[bool]]:
    yield from _common(asked, _entries, "time")
    if asked.purpose:
        yield _entries.c.purpose == asked.purpose
    if asked.patient:
        of_patient = sql.select(_patients.c.sequence).where(_patients.c.patient == asked.patient)
        yield _entries.c.sequence.in_(of_patient)
    if text := _folded(short_hashes(asked.text)):
        yield _entries.c.facts.contains(text, autoescape=True)


def _common(asked: Search, table: sql.Table, time: str) -> Iterator[sql.ColumnElement[bool]]:
    """What entries and counts of entries can both be asked for."""
    if asked.event:
        yield table.c.event == asked.event
    if asked.outcome:
        yield table.c.event.in_([str(one) for one in Event if meaning_of(one).outcome is Outcome(asked.outcome)])
    if asked.actor:
        yield table.c.actor == asked.actor
    if asked.since:
        yield table.c[time] >= asked.since
    if asked.until:
        yield table.c[time] < asked.until + _AFTER_A_DAY


def _folded(text: str) -> str:
    return text.casefold().replace("\0", " ").strip()  # PostgreSQL keeps no NUL


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
