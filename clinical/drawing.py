"""A stratified draw from the notes of an output, in one pass and in memory that does not grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from heapq import heappush, heappushpop, nlargest

from clinical.released import ReleasedNote
from policies.errors import InputError
from policies.files import sha256_hex
from privacy.guards.certificate import LEAST_OF_A_STRATUM, Sample, Stratum, allocate
from privacy.text.marks import MARK

MOST_KINDS = 4
OTHER_KINDS = "other kinds"
_LENGTHS = ((1000, "under 1,000 characters"), (4000, "under 4,000"), (float("inf"), "4,000 and more"))
_REPLACED = ((1, "nothing replaced"), (10, "under 10 replaced"), (float("inf"), "10 and more replaced"))

_Place = tuple[str, str, str]  # kind, length, number of marks
_Kept = tuple[int, str, int, str]  # minus the draw's number, file, offset, SHA-256 of the text


@dataclass(frozen=True)
class Drawn:
    """A note that was drawn: where it stands, and what its text hashes to."""

    file: str
    offset: int
    sha256: str

    @property
    def record(self) -> str:
        return f"{self.file}#{self.offset}"


def draw_notes(notes: Iterable[ReleasedNote], most: int, seed: str) -> tuple[Sample, tuple[Drawn, ...]]:
    """Draw at most `most` notes, by their kind, their length and how much was replaced in them.

    Of each stratum those are drawn whose keyed hash is smallest, so that anybody who has the seed draws the same.

    Raises:
        InputError: there is no note, or `most` is too few for the strata.
    """
    sizes: Counter[_Place] = Counter()
    kept: dict[_Place, list[_Kept]] = {}
    for note in notes:
        place = (note.kind, _step(len(note.text), _LENGTHS), _step(len(MARK.findall(note.text)), _REPLACED))
        number = int(sha256(f"{seed}\0{note.file}#{note.offset}".encode()).hexdigest(), 16)
        item = (-number, note.file, note.offset, sha256_hex(note.text.encode()))
        heap = kept.setdefault(place, [])
        sizes[place] += 1
        if len(heap) < most:
            heappush(heap, item)
        else:
            heappushpop(heap, item)
    if not sizes:
        raise InputError("there is no note to review", "Name a folder that 'confide deid' wrote.")
    return _drawn(sizes, kept, most)


def _drawn(sizes: Counter[_Place], kept: dict[_Place, list[_Kept]], most: int) -> tuple[Sample, tuple[Drawn, ...]]:
    kinds: Counter[str] = Counter()
    for (kind, *_), size in sizes.items():
        kinds[kind] += size
    common = {kind for kind, _ in kinds.most_common(MOST_KINDS)}
    counts: Counter[str] = Counter()
    merged: dict[str, list[_Kept]] = {}
    for place, size in sorted(sizes.items()):
        name = ", ".join((place[0] if place[0] in common else OTHER_KINDS, *place[1:]))
        counts[name] += size
        merged.setdefault(name, []).extend(kept[place])
    try:
        wanted = allocate(counts, most)
    except ValueError as error:
        fewest = sum(min(size, LEAST_OF_A_STRATUM) for size in counts.values())
        raise InputError(
            f"{error} of {sum(counts.values())} notes in all; {LEAST_OF_A_STRATUM} of each are read, or its only one",
            f"Draw {fewest} or more with --notes.",
        ) from None
    chosen = sorted(item for name, items in merged.items() for item in nlargest(wanted[name], items))
    sample = Sample(tuple(Stratum(name, counts[name], wanted[name]) for name in sorted(counts)))
    return sample, tuple(Drawn(file, offset, digest) for _, file, offset, digest in chosen)


def _step(value: int, steps: tuple[tuple[float, str], ...]) -> str:
    return next(name for limit, name in steps if value < limit)
