"""ICD-10-CM as the package simple-icd-10-cm brings it: codes, titles, inclusion terms and seventh characters.

The package's own module builds 98,505 objects in some four seconds; its data is read here in half a second.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from clinical.coding.index import TermIndex
from clinical.coding.words import light, spelled, words_of
from policies.files import table_of

SYSTEM = "ICD-10-CM"
# By the conventions of ICD-10-CM: words in parentheses make no difference, in brackets stand other names.
_ASIDE, _BRACKETS = re.compile(r"\(([^()]*)\)"), re.compile(r"\[([^\[\]]*)\]")

_OPEN, _MARKS = re.compile(r"\bunspecified\b|\bNOS\b", re.I), re.compile(r"[,;()\[\]]")
_TAG = re.compile(r"<(/?)(\w+)[^>]*>([^<]*)")
_DEEP, _TYPES = 3, 8  # levels below a code that are looked through, values that are named
_ELSEWHERE = re.compile(r",? not elsewhere classified|,? NEC\b|,? NOS\b")


@dataclass(frozen=True)
class Entry:
    """A code with its title and what else it is called.

    Attributes:
        seventh: what its seventh characters say, where it needs one.
    """

    code: str
    title: str
    terms: tuple[str, ...]
    parent: str | None
    children: tuple[str, ...] = field(repr=False)
    seventh: tuple[str, ...] = field(default=(), repr=False)


@cache
def entries() -> dict[str, Entry]:
    """Every category and code, without chapters and blocks, and without seventh characters, by code."""
    package = distribution("simple-icd-10-cm")
    path = next(own for own in package.files or () if own.match("icd10c-tabular-*.xml"))
    return {own.code: own for own in _read(Path(str(package.locate_file(path))).read_text("utf-8"))}


@dataclass
class _Open:
    """A code whose end has not been read yet."""

    seventh: tuple[str, ...] = ()
    code: str = ""
    title: str = ""
    terms: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)


def _read(text: str) -> Iterator[Entry]:
    """The codes of the tabular list, those above behind those below; twice as fast as a tree of its XML."""
    path: list[_Open] = []
    part = ""
    for closes, tag, written in _TAG.findall(text):
        if tag == "diag" and closes:
            own = path.pop()
            if path:
                path[-1].children.append(own.code)
            parent = path[-1].code if path else None
            yield Entry(own.code, own.title, tuple(own.terms), parent, tuple(own.children), own.seventh)
        elif tag == "diag":
            path.append(_Open(path[-1].seventh if path else ()))
        elif path and not closes:
            own = path[-1]
            if tag == "name":
                own.code = written
            elif tag == "desc":
                own.title = unescape(written)
            elif tag == "note" and part in ("inclusionTerm", "includes"):
                own.terms.append(unescape(written))
            elif tag == "extension":
                own.seventh = (*(own.seventh if part == "extension" else ()), unescape(written))
            part = part if tag == "note" else tag


@dataclass(frozen=True)
class Terms:
    """The index over titles and inclusion terms, with the code of each."""

    index: TermIndex
    codes: tuple[str, ...]


@cache
def terms() -> Terms:
    """Built once in a process."""
    rows = [
        (own.code, sides) for own in entries().values() for term in (own.title, *own.terms) for sides in _readings(term)
    ]
    return Terms(TermIndex([words for _, words in rows]), tuple(code for code, _ in rows))


def _readings(term: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The words of a term, with those in parentheses; and by itself each other name that it has in brackets."""
    plain = _ELSEWHERE.sub("", term)
    for other in _BRACKETS.findall(plain):
        yield words_of(other), ()
    plain = _BRACKETS.sub(" ", plain)
    needed = words_of(_ASIDE.sub(" ", plain))
    yield needed, tuple(word for word in words_of(" ".join(_ASIDE.findall(plain))) if word not in needed)


def common(codes: Iterable[str]) -> str | None:
    """The nearest code above several that are equally alike, if they have one and it is none of them."""
    above = [(*_above(code), code) for code in codes]
    shared = [level[0] for level in zip(*above, strict=False) if len(set(level)) == 1]
    return shared[-1] if len(above) > 1 and shared and all(shared[-1] != own[-1] for own in above) else None


def _above(code: str) -> tuple[str, ...]:
    parent = entries()[code].parent
    return (*_above(parent), parent) if parent else ()


def missing(entry: Entry, said: Collection[str]) -> tuple[str, ...]:
    """What the codes below an entry, or beside one that says "unspecified", differ in and the words do not say.

    Returns:
        "laterality: right, left", by the rows of tables/coding.toml; and "type: ..." with what else their titles say.
    """
    if not entry.children and entry.parent and _OPEN.search(entry.title):
        entry = entries()[entry.parent]
    return tuple(
        f"{by}: {', '.join(values)}"
        for by, values in _apart(entry.code)
        if not any(words and words <= {*said} for words in map(_set_of, values))
    )


@cache
def _apart(code: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """In what the codes below one differ, each with the values that their titles and seventh characters have."""
    entry = entries()[code]
    titles = [f" {_MARKS.sub('', title).lower()} " for title in (*_titles_below(entry, _DEEP), *entry.seventh)]
    own = f" {_MARKS.sub('', entry.title).lower()} "
    apart = []
    for row in _rows():
        values = tuple(
            word for word in row["words"] if f" {word} " not in own and any(f" {word} " in t for t in titles)
        )
        if len(values) > 1:
            apart.append((row["by"], values))
    types = tuple(dict.fromkeys(filter(None, (_beyond(entry, entries()[child]) for child in entry.children))))
    return (*apart, ("type", types[:_TYPES])) if len(types) > 1 else tuple(apart)


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table_of("clinical", "tables/coding")["apart"]
    return rows


def _titles_below(entry: Entry, levels: int) -> Iterator[str]:
    for child in map(entries().__getitem__, entry.children if levels else ()):
        yield child.title
        yield from child.seventh
        yield from _titles_below(child, levels - 1)


def _beyond(entry: Entry, child: Entry) -> str:
    """The words of a code's title that the one above does not have, and that no row of the table asks for."""
    rows = (
        word
        for row in table_of("clinical", "tables/coding")["apart"]
        for words in row["words"]
        for word in words_of(words)
    )
    known = {*words_of(entry.title), *light(), *words_of("other specified"), *rows}
    return " ".join(dict.fromkeys(written for word, written in spelled(child.title).items() if word not in known))


def _set_of(value: str) -> frozenset[str]:
    return frozenset(words_of(value))


def narrowed(entry: Entry, said: Collection[str]) -> Entry:
    """The code below one that adds only what the words say, if there is exactly one: "left" of a hip."""
    known = {*words_of(entry.title), *light()} - {*said}
    below = [entries()[code] for code in entry.children]
    added = [(child, {*words_of(child.title)} - {*words_of(entry.title)} - known) for child in below]
    fitting = [child for child, words in added if words and words <= {*said}]
    return narrowed(fitting[0], said) if len(fitting) == 1 else entry
