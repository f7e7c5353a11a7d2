"""The residual sweep: searches the *output* of de-identification for whom it still names.

It knows nothing of how the text was de-identified. A patient's own values are looked for in every variant that a writer
makes of them; of everybody else whom the source names, the full name and identifiers of six characters or more.
Initials and short names alone are no finding: they stand in half of all clean notes.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from itertools import accumulate, chain, pairwise
from string import ascii_lowercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.guards.people import codes_of, contacts, full_names, name_parts, people_names, street, street_lines
from privacy.guards.spelling import (
    HIDDEN,
    Word,
    fold,
    letters,
    letters_and_digits,
    mended,
    one_error_apart,
    without_one,
    words,
)
from privacy.guards.vocabulary import eponym_follows, vocabulary
from privacy.text.calendar_days import days
from privacy.text.marks import MARK

SHORTEST_LONE_NAME = 4
SHORTEST_MISSPELLED = 6
SHORTEST_OWN_CODE = 4
SHORTEST_CODE_APART = 6  # a shorter one is found only as it is written
SHORTEST_CODE_OF_OTHERS = 6
SHORTEST_CODE_OF_OTHERS_APART = 9  # with any punctuation, shorter ones meet doses and readings by chance
MOST_READINGS = 4  # of a date with its year; without one it may be any year's
MOST_PARTS = 5  # words of a name, or groups of a number
_SHORT_NAME = 7  # letters of a full name that must be written as a name, as "An Do"

# What de-identification itself writes; the first group is the category.
_NAME_GAP = re.compile(rf"[\s,.'’`‐–{HIDDEN}-]{{1,12}}")
_CODE_GAP = rf"[\s().,/_:@#+‐–{HIDDEN}-]{{1,4}}"
_CODE_APART = re.compile(rf"[^\W_]+(?:{_CODE_GAP}[^\W_]+)*")
_TITLE = re.compile(r"\b(?:mr|mrs|ms|mx|miss|dr|prof|doctor|nurse)\.?\s{1,3}$")
_TOKEN = re.compile(r"[^\W_]+")
_HYPHENATED = re.compile(r"(?<![^\W_])[^\W_]+(?:[‐–-][^\W_]+)+")
_CODE_GAP_ONLY = re.compile(_CODE_GAP)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_YEAR = re.compile(r"(?:19|20)\d\d")


class LeakKind(StrEnum):
    """What was still there."""

    OWN_IDENTIFIER = "own identifier"
    OWN_NAME = "own name"
    MISSPELLED = "own name misspelled"
    OTHER_NAME = "another person's name"
    OTHER_IDENTIFIER = "another person's identifier"


@dataclass(frozen=True)
class Leak:
    """Something at `text[start:end]` that must not be in an output."""

    kind: LeakKind
    start: int
    end: int


@dataclass(frozen=True)
class Sweep:
    """Whom a source names, in a form that only answers whether somebody is among them; goes to worker processes.

    Build it with `Sweep.of`. Memory: 8 bytes for each spelling of a name and each identifier.
    """

    _names: NDArray[np.uint64] = field(repr=False)
    _codes: NDArray[np.uint64] = field(repr=False)
    _beginnings: frozenset[str] = field(repr=False)
    _birth_dates: bool

    @classmethod
    def of(cls, people: Iterable[Mapping[str, Any]], *, birth_dates: bool = True) -> Sweep:
        """A sweep for a source.

        Args:
            people: every patient, relative and staff member, as FHIR-shaped mappings.
            birth_dates: whether a patient's own date of birth is a leak; not where the policy keeps dates.
        """
        names, codes, beginnings = array("Q"), array("Q"), set[str]()
        for person in people:
            for family, given in people_names(person):
                names.extend(map(_digest, full_names(family, given)))
                for part in (family, *given):
                    beginnings.update({letters(part), *(word for word, _, _ in words(fold(part))[:1])})
            codes.extend(
                _digest(c) for c in codes_of(person) if len(c) >= SHORTEST_CODE_OF_OTHERS and any(map(str.isdigit, c))
            )
            codes.extend(_digest(letters_and_digits(address)) for address in contacts(person, "email"))
        return cls(_sorted(names), _sorted(codes), frozenset(beginnings - {""}), birth_dates)

    def leaks(self, text: str, patient: Mapping[str, Any] | None) -> tuple[Leak, ...]:
        """What `text`, an output, still says of its patient and of others, in order and without overlaps.

        Args:
            patient: as the source knows the patient; None for a text of nobody.
        """
        note = _Note.of(text)
        own = list(_own(note, patient, self._birth_dates)) if patient else []
        others = [*self._other_names(note), *self._other_codes(note)]
        return _apart([*own, *others])

    def _other_names(self, note: _Note) -> Iterator[Leak]:
        candidates = list(_runs(note, self._beginnings))
        for (_, start, end), known in zip(candidates, _among(self._names, candidates), strict=True):
            if known:
                yield Leak(LeakKind.OTHER_NAME, start, end)

    def _other_codes(self, note: _Note) -> Iterator[Leak]:
        candidates = list(_code_candidates(note))
        for (_, start, end), known in zip(candidates, _among(self._codes, candidates), strict=True):
            if known:
                yield Leak(LeakKind.OTHER_IDENTIFIER, start, end)


@dataclass(frozen=True)
class _Note:
    """A text as the sweep reads it.

    Attributes:
        folded: the text, folded, with a bar for every character of a mark that de-identification wrote.
        words: its words; `broken` those that may go on in the next, by place, as they would be then.
        tokens: its runs of letters and digits, with their places.
    """

    text: str
    folded: str
    words: list[Word]
    broken: Mapping[int, Word]
    tokens: list[Word]

    @classmethod
    def of(cls, text: str) -> _Note:
        folded = fold(MARK.sub(lambda mark: "|" * len(mark.group()), text))  # the same length: offsets stay
        found = words(folded)
        tokens = [(match.group(), *match.span()) for match in _TOKEN.finditer(folded)]
        return cls(text, folded, found, dict(mended(folded, found)), tokens)

    def capital(self, start: int) -> bool:
        return self.text[start].isupper()


# A patient's own values.


def _own(note: _Note, patient: Mapping[str, Any], birth_dates: bool) -> Iterator[Leak]:
    yield from _own_names(note, patient)
    yield from (Leak(LeakKind.OWN_IDENTIFIER, *place) for place in _own_codes(note, _own_needles(patient)))
    born = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", str(patient.get("birthDate") or "")) if birth_dates else None
    if born and born[1][2:] in note.folded:
        wanted = (int(born[1]), int(born[2]), int(born[3]))
        yield from (Leak(LeakKind.OWN_IDENTIFIER, *place) for place in _dates(note.folded, wanted))


def _own_names(note: _Note, patient: Mapping[str, Any]) -> Iterator[Leak]:
    parts, full, initials = set[str](), set[str](), set[str]()
    for family, given in people_names(patient):
        full |= full_names(family, given)
        initials |= {name[0] for name in map(letters, given) if name}
        parts |= {part for name in (family, *given) for part in name_parts(name) if len(part) > 1}
    lone = {part for part in parts if len(part) >= SHORTEST_LONE_NAME and part not in vocabulary()["words"]}
    for word, start, end in chain(note.words, note.broken.values()):
        if (word in lone and not _is_eponym(note, end)) or (word in parts and _is_called(note, start, initials)):
            yield Leak(LeakKind.OWN_NAME, start, end)
    starts = {part for name in full for part in parts if name.startswith(part)} | {p[0] for p in parts}
    yield from (Leak(LeakKind.OWN_NAME, s, e) for name, s, e in _runs(note, starts) if name in full)
    yield from _misspelled(note, {part for part in lone if len(part) >= SHORTEST_MISSPELLED})


def _misspelled(note: _Note, names: set[str]) -> Iterator[Leak]:
    """Words that are one typing error away from a name."""
    if not names:
        return
    heads, tails, longest = {n[:2] for n in names}, {n[-2:] for n in names}, max(map(len, names))
    ordinary = vocabulary()["words"] | vocabulary()["near_names"]
    shorter = {piece for name in names for piece in without_one(name)}
    for word, start, end in note.words:
        # One error leaves the first two letters as they are, or the last two.
        if (
            SHORTEST_MISSPELLED - 1 <= len(word) <= longest + 1
            and (word[:2] in heads or word[-2:] in tails)
            and not shorter.isdisjoint(without_one(word))
            and word not in ordinary
            and any(one_error_apart(word, name) for name in names)
            and not _is_eponym(note, end)
        ):
            yield Leak(LeakKind.MISSPELLED, start, end)


def _is_eponym(note: _Note, end: int) -> bool:
    """Whether a name that ends here belongs to a disease, a sign or an instrument."""
    return eponym_follows().match(note.folded, end) is not None


def _is_called(note: _Note, start: int, initials: set[str]) -> bool:
    """Whether a title or the patient's own initial stands before a capital."""
    if not note.capital(start):
        return False
    before = note.folded[max(0, start - 12) : start]
    initial = re.search(r"(?<!\w)([^\W\d_])\.\s?$", before)
    return _TITLE.search(before) is not None or (initial is not None and initial[1] in initials)


def _own_needles(patient: Mapping[str, Any]) -> set[str]:
    """Letters and digits of what a patient is identified by."""
    codes = {code for code in codes_of(patient) if not _YEAR.fullmatch(code)}
    for number in contacts(patient, "phone"):
        codes |= {"1" + number, number[-7:]}
    codes |= set(map(letters_and_digits, contacts(patient, "email")))
    return codes | {code for code in map(street, street_lines(patient)) if len(code) >= SHORTEST_CODE_APART}


def _own_codes(note: _Note, codes: Iterable[str]) -> Iterator[tuple[int, int]]:
    squeezed = "".join(token for token, _, _ in note.tokens)
    before = list(accumulate((len(token) for token, _, _ in note.tokens), initial=0))

    def place(at: int) -> int:
        token = bisect_right(before, at) - 1
        return note.tokens[token][1] + at - before[token]

    for code in sorted(code for code in codes if len(code) >= SHORTEST_OWN_CODE):
        at = squeezed.find(code)
        while at >= 0:
            start, end = place(at), place(at + len(code) - 1) + 1
            if _stands_alone(note.folded, start, end, code):
                yield start, end
            at = squeezed.find(code, at + 1)


def _stands_alone(folded: str, start: int, end: int, code: str) -> bool:
    """Whether what stands here is the code and not a part of something longer, or the ends of two things."""
    before, after = folded[start - 1 : start], folded[end : end + 1]
    # A number may follow letters, as in MRN6116957.
    inside = str.isdigit if code.isdigit() and len(code) >= SHORTEST_CODE_APART else str.isalnum
    if inside(before) or inside(after):
        return False
    if len(code) < SHORTEST_CODE_APART:
        return end - start == len(code)
    return _CODE_APART.fullmatch(folded, start, end) is not None


def _dates(folded: str, wanted: tuple[int, int, int]) -> Iterator[tuple[int, int]]:
    """Where a date stands with its year, in digits or words."""
    for place, readings in days(folded):
        if wanted in readings and len(readings) <= MOST_READINGS:
            yield place


# Names and codes, of anybody.


def _runs(note: _Note, beginnings: frozenset[str] | set[str]) -> Iterator[Word]:
    """Letters of two to five words in a row that may be a full name, with and without the initials among them."""
    found, folded = note.words, note.folded
    for at, (word, start, _) in enumerate(found[:-1]):
        if word not in beginnings and at not in note.broken:
            continue
        whole = short = word
        ordinary, capitals = word in vocabulary()["words"], note.capital(start)
        for (_, _, last), (following, begin, stop) in pairwise(found[at : at + MOST_PARTS]):
            if not _NAME_GAP.fullmatch(folded, last, begin):
                break
            whole += following
            if len(following) > 1:
                short += following
                ordinary, capitals = ordinary and following in vocabulary()["words"], capitals and note.capital(begin)
            if capitals or not (ordinary or len(short) < _SHORT_NAME):
                yield whole, start, stop
                if short != whole and len(following) > 1:
                    yield short, start, stop


def _code_candidates(note: _Note) -> Iterator[Word]:
    """Letters and digits of everything that may be an identifier."""
    folded = note.folded
    tokens = [token for token in note.tokens if not token[0].isalpha()]
    for at, (first, start, end) in enumerate(tokens):
        joined = first
        yield joined, start, end
        if (number := joined.lstrip(ascii_lowercase)) != joined:
            yield number, end - len(number), end
        for (_, _, last), (token, begin, stop) in pairwise(tokens[at : at + MOST_PARTS]):
            if not _CODE_GAP_ONLY.fullmatch(folded, last, begin):
                break
            joined += token
            if len(joined) >= SHORTEST_CODE_OF_OTHERS_APART:
                yield joined, start, stop
    for pattern in (_HYPHENATED, _EMAIL):
        yield from ((letters_and_digits(match.group()), *match.span()) for match in pattern.finditer(folded))


# Sets of digests.


def _digest(value: str) -> int:
    return int.from_bytes(blake2b(value.encode(), digest_size=8).digest(), "little")


def _sorted(digests: array[int]) -> NDArray[np.uint64]:
    return np.unique(np.asarray(digests, dtype=np.uint64))


def _among(known: NDArray[np.uint64], candidates: Sequence[Word]) -> NDArray[np.bool_]:
    wanted = np.fromiter((_digest(value) for value, _, _ in candidates), np.uint64, len(candidates))
    if not len(known):
        return np.zeros(len(wanted), bool)
    places = np.searchsorted(known, wanted).clip(max=len(known) - 1)
    return known[places] == wanted


def _apart(leaks: Iterable[Leak]) -> tuple[Leak, ...]:
    """Without those that begin within an earlier one; of two at one place the patient's own stays, then the longer."""
    order = list(LeakKind)
    kept: list[Leak] = []
    for leak in sorted(leaks, key=lambda leak: (leak.start, order.index(leak.kind), -leak.end)):
        if not kept or leak.start >= kept[-1].end:
            kept.append(leak)
    return tuple(kept)
