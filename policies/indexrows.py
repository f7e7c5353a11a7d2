"""The rows of the index of a log: what each says comes from one entry, and chains prove those about patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sql

from policies.events import Entry
from policies.exports.query import facts_of, patients_of, purpose_of
from policies.files import canonical_json
from policies.keys import KeyRing
from policies.notes import Checkpoint

HOUR = len("2026-01-31T00")
_BUCKETS, _DIGEST = 1024, 32

METADATA = sql.MetaData()
ENTRIES = sql.Table(
    "entries",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("time", sql.String(40), nullable=False, index=True),
    sql.Column("event", sql.String(64), nullable=False),
    sql.Column("actor", sql.Text, nullable=False),
    sql.Column("purpose", sql.Text, nullable=False),
    sql.Column("facts", sql.Text, nullable=False),
    sql.Index("of_an_event", "event", "sequence"),
    sql.Index("of_an_actor", "actor", "sequence"),
)
NAMED = sql.Table(  # the patients whom an entry names
    "named",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("patient", sql.Text, primary_key=True),
    sql.Column("bucket", sql.Integer, nullable=False, index=True),
)
ACTIVITY = sql.Table(
    "activity",
    METADATA,
    sql.Column("hour", sql.String(HOUR), primary_key=True),
    sql.Column("event", sql.String(64), primary_key=True),
    sql.Column("actor", sql.Text, primary_key=True),
    sql.Column("entries", sql.Integer, nullable=False),
)
FOLLOWED = sql.Table(
    "followed",
    METADATA,
    sql.Column("first", sql.Integer, nullable=False),
    sql.Column("size", sql.Integer, nullable=False),
    sql.Column("root", sql.String(64), nullable=False),
    sql.Column("chains", sql.LargeBinary, nullable=False),
)


class Chains:
    """What proves rows about patients: these fall into 1,024 buckets, and the rows of each are chained by SHA-256.

    Args:
        ends: of all chains, one after the other.
    """

    def __init__(self, ends: bytes = bytes(_BUCKETS * _DIGEST)) -> None:
        self._ends = bytearray(ends)

    def __bytes__(self) -> bytes:
        return bytes(self._ends)

    def add(self, patient: str, row: Iterable[object]) -> None:
        """Chain a row of `ENTRIES` that names a patient; they come in the order of the log."""
        place = slice(bucket_of(patient) * _DIGEST, (bucket_of(patient) + 1) * _DIGEST)
        self._ends[place] = _chained(self._ends[place], patient, row)

    def prove(self, bucket: int, rows: Iterable[tuple[str, Iterable[object]]]) -> bool:
        """Whether these are all rows of a bucket, each with its patient, and no others."""
        end = bytes(_DIGEST)
        for patient, row in rows:
            end = _chained(end, patient, row)
        return end == self._ends[bucket * _DIGEST : (bucket + 1) * _DIGEST]


@dataclass(frozen=True)
class Followed:
    """Up to where the index was made: the entries from `first` to before `size`, of the log with this root then."""

    first: int
    size: int
    root: bytes
    chains: bytes

    @property
    def head(self) -> Checkpoint:
        return Checkpoint("", self.size, self.root)

    def keep(self, link: sql.Connection, keys: KeyRing) -> Followed:
        """In the place of what was kept before; chains of another size or root would not unseal."""
        root = self.root.hex()
        sealed = keys.seal(self.chains, _context(self.first, self.size, root))
        link.execute(sql.delete(FOLLOWED))
        link.execute(sql.insert(FOLLOWED).values(first=self.first, size=self.size, root=root, chains=sealed))
        return self


def followed(link: sql.Connection, keys: KeyRing) -> Followed | None:
    """Up to where the index was made, or None before that.

    Raises:
        IntegrityError: that was not written by the holder of these keys.
    """
    row = link.execute(sql.select(FOLLOWED)).first()
    if row is None:
        return None
    chains = keys.unseal(row.chains, _context(row.first, row.size, row.root))
    return Followed(row.first, row.size, bytes.fromhex(row.root), chains)


def bucket_of(patient: str) -> int:
    return int.from_bytes(sha256(patient.encode()).digest()[:4]) % _BUCKETS


def insert(link: sql.Connection, entries: Sequence[Entry], chains: Chains) -> None:
    """Take entries in, and chain those that name patients."""
    rows, named = [_row(entry) for entry in entries], list[dict[str, Any]]()
    for entry, row in zip(entries, rows, strict=True):
        for sequence, patient, bucket in _names(entry):
            named.append({"sequence": sequence, "patient": patient, "bucket": bucket})
            chains.add(patient, row.values())
    link.execute(sql.insert(ENTRIES), rows)
    if named:
        link.execute(sql.insert(NAMED), named)
    for (hour, event, actor), count in Counter(
        (entry.time[:HOUR], str(entry.event), entry.actor) for entry in entries
    ).items():
        place = (ACTIVITY.c.hour == hour) & (ACTIVITY.c.event == event) & (ACTIVITY.c.actor == actor)
        more = sql.update(ACTIVITY).where(place).values(entries=ACTIVITY.c.entries + count)
        if not link.execute(more).rowcount:
            link.execute(sql.insert(ACTIVITY).values(hour=hour, event=event, actor=actor, entries=count))


def forget(link: sql.Connection) -> None:
    for table in (ENTRIES, NAMED, ACTIVITY, FOLLOWED):
        link.execute(sql.delete(table))


def say_the_same(link: sql.Connection, entries: Sequence[Entry]) -> bool:
    """Whether the rows of consecutive entries are what these say, as far as they were taken in."""
    first, size = next(iter(link.execute(sql.select(FOLLOWED.c.first, FOLLOWED.c.size))), (0, 0))
    known = [entry for entry in entries if first <= entry.sequence < size]
    if not known:
        return True
    begin, end = known[0].sequence, known[-1].sequence
    rows = link.execute(sql.select(ENTRIES).where(ENTRIES.c.sequence.between(begin, end)).order_by(ENTRIES.c.sequence))
    names = link.execute(sql.select(NAMED).where(NAMED.c.sequence.between(begin, end)))
    wanted = [tuple(_row(entry).values()) for entry in known]
    return [*map(tuple, rows)] == wanted and {*map(tuple, names)} == {name for own in known for name in _names(own)}


def count_the_same(link: sql.Connection, known: Followed) -> bool:
    """Whether there are as many rows as entries were taken in, no others, and the counts by hour are theirs."""
    hour = sql.func.substr(ENTRIES.c.time, 1, HOUR).label("hour")
    by_hour = sql.select(hour, ENTRIES.c.event, ENTRIES.c.actor, sql.func.count())
    counted = {tuple(row) for row in link.execute(by_hour.group_by(hour, ENTRIES.c.event, ENTRIES.c.actor))}
    return (
        sum(row[-1] for row in counted) == known.size - known.first
        and counted == {tuple(row) for row in link.execute(sql.select(ACTIVITY))}
        and not _outside(link, NAMED.c.sequence < known.first, NAMED.c.sequence >= known.size)
    )


def beyond(link: sql.Connection, known: Followed) -> bool:
    """Whether there are rows of entries that were never taken in."""
    return _outside(link, ENTRIES.c.sequence >= known.size) or _outside(link, NAMED.c.sequence >= known.size)


def folded(text: str) -> str:
    """A text as a search compares it."""
    return text.casefold().replace("\0", " ").strip()  # PostgreSQL keeps no NUL


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence, "time": entry.time, "event": str(entry.event), "actor": entry.actor,
        "purpose": purpose_of(entry), "facts": folded(facts_of(entry.details)),
    }  # fmt: skip


def _names(entry: Entry) -> list[tuple[int, str, int]]:
    return [(entry.sequence, patient, bucket_of(patient)) for patient in sorted(set(patients_of(entry)))]


def _chained(end: bytes | bytearray, patient: str, row: Iterable[object]) -> bytes:
    return sha256(end + canonical_json([patient, *row])).digest()


def _context(first: int, size: int, root: str) -> str:
    return f"index of the log\0{first}\0{size}\0{root}"


def _outside(link: sql.Connection, *where: sql.ColumnElement[bool]) -> bool:
    return link.execute(sql.select(sql.literal(1)).where(sql.or_(*where)).limit(1)).first() is not None
