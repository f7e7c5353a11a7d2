"""Code systems that a hospital imported, each one SQLite file: names by their words, found without reading them all."""

from __future__ import annotations

import math
import os
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from clinical.coding.index import Match, alike
from clinical.coding.sources import SOURCES, Name
from clinical.coding.words import words_of
from policies.errors import InputError, IntegrityError, StorageError
from policies.files import READABLE, file_sha256, flush_folder, storage_errors

_BAD_SHOWN = 20
_RAREST = 4  # words of a phrase that names are looked up by
_TRIED = 400  # names that are compared
_SCHEMA = """
CREATE TABLE about (
    name TEXT, system TEXT, file TEXT, sha256 TEXT, imported TEXT, names INTEGER, codes INTEGER, bad INTEGER
);
CREATE TABLE name (id INTEGER PRIMARY KEY, code TEXT, display TEXT, words TEXT, tag TEXT, rank INTEGER);
CREATE VIRTUAL TABLE found USING fts5 (words, content='', tokenize='ascii');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (found, 'row');
"""


@dataclass(frozen=True)
class Imported:
    """What was read of a file; `problems` are the first of its bad lines."""

    name: str
    system: str
    file: str
    sha256: str
    imported: str
    names: int
    codes: int
    bad: int
    problems: tuple[InputError, ...] = field(default=(), compare=False)


class Library:
    """The imported code systems of a folder; one that does not exist holds none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.sqlite"

    def paths(self, system: str) -> list[Path]:
        """The indexes that hold names of a system."""
        return [path for name in SOURCES if SOURCES[name].system == system and (path := self.path(name)).is_file()]

    def imported(self) -> tuple[Imported, ...]:
        """What there is, in the order of the sources."""
        return tuple(about for name in SOURCES if self.path(name).is_file() for about in [self._about(name)])

    def _about(self, name: str) -> Imported:
        with _opened(self.path(name)) as index:
            return Imported(*index.execute("SELECT * FROM about").fetchone())

    def add(self, name: str, file: Path, told: Callable[[int], None] = lambda _: None) -> Imported:
        """Read a file of one of the SOURCES into an index that takes the place of an older one.

        Bad lines are left out and counted. The index is written beside and renamed: until then the older one stands.

        Args:
            told: is called with the number of names read, now and then.

        Raises:
            InputError: the file cannot be read, or holds no name.
            StorageError: the folder cannot be written.
        """
        source = SOURCES[name]
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(dir=self.folder, prefix=f".{name}.")
            os.close(handle)
        try:
            with closing(sqlite3.connect(beside)) as index:
                counts, problems = _fill(index, _read(source.read, file), told)
                if not counts[0]:
                    raise InputError(f"no name of {source.system} here", f"Name {source.file}.", file=file)
                now = datetime.now(UTC).isoformat(timespec="seconds")
                about = Imported(name, source.system, file.name, file_sha256(file), now, *counts, tuple(problems))
                index.execute("INSERT INTO about VALUES (?,?,?,?,?,?,?,?)", tuple(vars(about).values())[:8])
                index.commit()
            with storage_errors(self.folder):
                Path(beside).chmod(READABLE)
                Path(beside).replace(self.path(name))
                flush_folder(self.folder)
        except sqlite3.Error as error:
            raise StorageError(f"{self.folder}: the index cannot be written ({error})") from None
        finally:
            Path(beside).unlink(missing_ok=True)
        return about

    def best(
        self, system: str, words: Iterable[str], most: int, tags: Iterable[str] = ()
    ) -> list[tuple[str, str, Match]]:
        """The names of a system that are most like some words, as (code, display, match), best first.

        Args:
            tags: only codes of these, or without one; all where none is named.

        Raises:
            IntegrityError: an index cannot be read.
        """
        asked, allowed = dict.fromkeys(words), frozenset(tags)
        found: list[tuple[float, int, str, str, Match]] = []
        for path in self.paths(system):
            with _opened(path) as index:
                found += _alike(index, asked, allowed)
        ranked = sorted(found, key=lambda own: (-own[0], own[1], own[2]))
        return [(code, display, match) for _, _, code, display, match in ranked[:most]]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as index:
            yield index
    except sqlite3.Error as error:
        hint = f"Import its file anew: confide codes import {path.stem} FILE."
        raise IntegrityError(f"{path} is no index of codes ({error})", hint) from None


def _read(read: Callable[[Path], Iterator[Name | InputError]], file: Path) -> Iterator[Name | InputError]:
    try:
        yield from read(file)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=file) from None
    except UnicodeDecodeError:
        raise InputError("is not text in UTF-8", "Name the file as it was delivered.", file=file) from None


def _fill(
    index: sqlite3.Connection, names: Iterable[Name | InputError], told: Callable[[int], None]
) -> tuple[tuple[int, int, int], list[InputError]]:
    """Write names; how many names, codes and bad lines there were, and the first of those."""
    index.executescript(_SCHEMA)
    count, bad = 0, 0
    problems: list[InputError] = []
    for own in names:
        if isinstance(own, InputError):
            bad += 1
            problems += [own] if bad <= _BAD_SHOWN else []
            continue
        words = " ".join(words_of(own.name))
        if words:
            count += 1
            row = (count, own.code, own.display, words, own.tag, own.rank)
            index.execute("INSERT INTO name VALUES (?,?,?,?,?,?)", row)
            index.execute("INSERT INTO found (rowid, words) VALUES (?,?)", (count, words))
            if count % 10_000 == 0:
                told(count)
    codes = index.execute("SELECT count(DISTINCT code) FROM name").fetchone()[0]
    return (count, codes, bad), problems


def _alike(
    index: sqlite3.Connection, asked: Mapping[str, None], tags: frozenset[str]
) -> Iterator[tuple[float, int, str, str, Match]]:
    """The names that share one of the rarest words asked for."""
    total = index.execute("SELECT names FROM about").fetchone()[0]
    seen = _counts(index, asked)
    rarest = sorted(seen, key=lambda word: seen[word])[:_RAREST]
    if not rarest:
        return
    rows = index.execute(
        "SELECT name.* FROM found JOIN name ON name.id = found.rowid WHERE found MATCH ? ORDER BY found.rank LIMIT ?",
        (" OR ".join(f'"{word}"' for word in rarest), _TRIED),
    ).fetchall()
    seen |= _counts(index, {word for row in rows for word in row[3].split()})

    def weigh(word: str) -> float:
        return math.log(1 + total / seen.get(word, 1))

    for row, code, display, words, tag, rank in rows:
        if not tags or not tag or tag in tags:
            yield (match := alike(row, asked, words.split(), weigh)).score, rank, code, display, match


def _counts(index: sqlite3.Connection, words: Collection[str]) -> dict[str, int]:
    """In how many names each word is; none for a word that is in none."""
    marks = ",".join("?" * len(words))
    return dict(index.execute(f"SELECT term, doc FROM vocabulary WHERE term IN ({marks})", tuple(words)))  # noqa: S608
