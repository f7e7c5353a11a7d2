"""Finds entries of a log of millions: tables made from verified entries, and thrown away where the log is another.

The index says which entries there are; what they say is read from the log, which stays the truth. Each time it is
followed, the log's signature is checked, that it continues the tree that was read before, and every new entry.

Whoever may write to these tables could hide an entry. So each answer about a patient is proved by chains, whose ends
are sealed with the holder's key for this size and root of the log; `check` compares every row with the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice

import sqlalchemy as sql

from policies.database import Database
from policies.errors import IntegrityError, StorageError
from policies.events import Entry, Event
from policies.exports.query import Filter, Outcome, facts_of, meaning_of, short_hashes
from policies.findings import Watch
from policies.indexrows import (
    ACTIVITY,
    ENTRIES,
    METADATA,
    NAMED,
    Chains,
    Followed,
    beyond,
    bucket_of,
    count_the_same,
    folded,
    followed,
    forget,
    insert,
    say_the_same,
)
from policies.keys import KeyRing
from policies.logview import LogView, look
from policies.tiles import WIDTH
from policies.tlog import EMPTY_ROOT, range_root
from policies.workspace import Home

AT_ONCE = 16 * WIDTH
_AFTER_A_DAY = "U"  # what follows the day in a time is a T

_torn = sql.Table("torn", METADATA, sql.Column("time", sql.String(40), nullable=False))
_replaced = sql.Table(
    "replaced", METADATA, sql.Column("time", sql.String(40), primary_key=True), sql.Column("size", sql.Integer)
)
_checks = sql.Table(
    "checks",
    METADATA,
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
        return super().matches(entry) and folded(short_hashes(self.text)) in folded(facts_of(entry.details))

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


_HIT = (ENTRIES.c.sequence, ENTRIES.c.time, ENTRIES.c.event, ENTRIES.c.actor)


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


class Torn(IntegrityError):
    """The index is not what was read from the log; it is made anew."""

    hint = "It is made anew from the log: load the page again in a minute, and look who may write to the database."


class AuditIndex:
    """The index of one log, beside it or in the hospital's database.

    Args:
        keys: of the log's holder.

    Raises:
        StorageError: the disk or the database refuses.
        IntegrityError: what stands there is no index.
    """

    def __init__(self, home: Home, keys: KeyRing) -> None:
        self._folder, self._keys, self._size = home.audit, keys, 0
        self._database = Database(home.audit_index_url, "index of the log")
        with self._database.transaction() as link:
            METADATA.create_all(link)

    def follow(self, most: int = AT_ONCE) -> tuple[LogView, int]:
        """Take in up to `most` further entries, each verified; returns the log as it stands, and how many are left.

        Raises:
            IntegrityError: naming the first bad entry; nothing after it is taken in.
        """
        with self._database.transaction() as link:
            view = look(self._folder, self._keys.public)  # within: no view that is older than what was read before
            known = self._known(link, view)
            end = min(known.size + most, view.size)
            if known.size < end:
                chains = Chains(known.chains)
                insert(link, list(view.entries(known.size, end)), chains)
                root = view.signed.root if end == view.size else range_root(0, end, view.tree.node)
                Followed(known.first, end, root, bytes(chains)).keep(link, self._keys)
        self._size = end
        return view, view.size - end

    def search(self, asked: Search, most: int | None = None) -> tuple[Hit, ...]:
        """The entries that were asked for, or the newest `most` of them, the newest first.

        Raises:
            Torn: of a patient's, rows were hidden, altered or added since they were taken in.
        """
        if asked.patient:
            return self._about(asked)[:most]
        newest = sql.select(*_HIT).where(*_conditions(asked)).order_by(ENTRIES.c.sequence.desc()).limit(most)
        with self._database.transaction() as link:
            return tuple(Hit(*row) for row in link.execute(newest))

    def _about(self, asked: Search) -> tuple[Hit, ...]:
        """What was asked for about one patient, the newest first, once all rows of the patient's bucket are proved."""
        bucket, fits = bucket_of(asked.patient), sql.and_(NAMED.c.patient == asked.patient, *_conditions(asked))
        every = sql.select(fits, NAMED.c.patient, NAMED.c.sequence.label("number"), *ENTRIES.c).select_from(
            NAMED.outerjoin(ENTRIES, NAMED.c.sequence == ENTRIES.c.sequence)
        )
        with self._database.transaction() as link:
            found = link.execute(every.where(NAMED.c.bucket == bucket)).all()
            rows = sorted(found, key=lambda row: (row.number, row.patient))
            known = self._followed(link)
            whole = known is not None and Chains(known.chains).prove(bucket, ((row.patient, row[3:]) for row in rows))
            if known and not whole:
                _tear(link)
        if not known or not whole or known.size < self._size:
            raise Torn("the index of the log hides, alters or makes up entries about patients")
        return tuple(Hit(*row[3:7]) for row in reversed(rows) if row[0])

    def activity(self, asked: Search) -> list[tuple[str, str, int]]:
        """How many entries there are by hour and event; of what was asked, patient, purpose and text do not count."""
        times = sql.func.sum(ACTIVITY.c.entries)
        by_hour = sql.select(ACTIVITY.c.hour, ACTIVITY.c.event, times).where(*_common(asked, ACTIVITY, "hour"))
        with self._database.transaction() as link:
            return [tuple(row) for row in link.execute(by_hour.group_by(ACTIVITY.c.hour, ACTIVITY.c.event))]

    def seen(self) -> tuple[list[str], list[str]]:
        """Every event and every account that stand in the log."""
        with self._database.transaction() as link:
            events, actors = (
                sorted(link.execute(sql.select(column).distinct()).scalars())
                for column in (ACTIVITY.c.event, ACTIVITY.c.actor)
            )
        return events, actors

    def knows(self, patient: str) -> bool:
        """Whether an entry names this patient; raises Torn as `search`."""
        return bool(patient and self.search(Search(patient=patient), 1))

    def replaced(self) -> list[tuple[str, int]]:
        """When another log was found than the one that was read before, and how many entries that had had."""
        with self._database.transaction() as link:
            return [(row.time, row.size) for row in link.execute(sql.select(_replaced).order_by(_replaced.c.time))]

    def torn(self) -> list[str]:
        """When the index was found not to be what was read from the log; it was made anew then."""
        with self._database.transaction() as link:
            return list(link.execute(sql.select(_torn.c.time).order_by(_torn.c.time)).scalars())

    def check(self) -> Check:
        """Read and verify every entry of the log, compare the index with it, and keep what that said."""
        try:
            view = look(self._folder, self._keys.public)
            found, whole = self._compare(view)
            made = Check(_now(), view.size, found, "")
        except (IntegrityError, StorageError) as error:
            made, whole = Check(_now(), 0, (), f"{error.message}. {error.hint}"), True
        row = {"time": made.time, "size": made.size, "warnings": json.dumps(made.warnings), "failure": made.failure}
        with self._database.transaction() as link:
            link.execute(sql.delete(_checks))
            link.execute(sql.insert(_checks).values(**row))
            known = self._followed(link)
            if not whole or (known and not count_the_same(link, known)):
                _tear(link)
        return made

    def _compare(self, view: LogView) -> tuple[tuple[str, ...], bool]:
        """What a reader of every entry should know, and whether the index says what the entries say."""
        watch, whole, entries = Watch(view), True, view.entries()
        while some := list(islice(entries, AT_ONCE)):
            for entry in some:
                watch.see(entry)
            with self._database.transaction() as link:  # a short one each, so that pages find the index free
                whole = say_the_same(link, some) and whole
        return watch.findings(datetime.now(UTC)).warnings, whole

    def checked(self) -> Check | None:
        """What the newest reading of every entry said; None before the first."""
        with self._database.transaction() as link:
            row = link.execute(sql.select(_checks)).first()
        return Check(row.time, row.size, tuple(json.loads(row.warnings)), row.failure) if row else None

    def _known(self, link: sql.Connection, view: LogView) -> Followed:
        """Where to go on; all is forgotten where entries were pruned, or where log or index are not what they were."""
        known = self._followed(link)
        if known and not view.continues(known.head):
            link.execute(sql.insert(_replaced).values(time=_now(), size=known.size))
        elif known and known.first == view.first:
            if not beyond(link, known):
                return known
            _tear(link)
        forget(link)
        root = range_root(0, view.first, view.tree.node) if view.first else EMPTY_ROOT
        return Followed(view.first, view.first, root, bytes(Chains())).keep(link, self._keys)

    def _followed(self, link: sql.Connection) -> Followed | None:
        """Up to where the index was made; where somebody else wrote that, it was not."""
        try:
            return followed(link, self._keys)
        except IntegrityError:
            _tear(link)
            return None


def read(view: LogView, sequences: Iterable[int]) -> Iterator[Entry]:
    """Entries by their numbers, from the log itself, in its order; raises IntegrityError where one was altered."""
    for _, group in groupby(sorted(set(sequences)), lambda sequence: sequence // WIDTH):
        wanted = list(group)
        chosen = frozenset(wanted)
        yield from (entry for entry in view.entries(wanted[0], wanted[-1] + 1) if entry.sequence in chosen)


def _conditions(asked: Search) -> Iterator[sql.ColumnElement[bool]]:
    """What a row has to fulfil, but for the patient."""
    yield from _common(asked, ENTRIES, "time")
    if asked.purpose:
        yield ENTRIES.c.purpose == asked.purpose
    if text := folded(short_hashes(asked.text)):
        yield ENTRIES.c.facts.contains(text, autoescape=True)


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


def _tear(link: sql.Connection) -> None:
    """Forget what somebody else wrote, and keep when that was found."""
    forget(link)
    link.execute(sql.insert(_torn).values(time=_now()))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
