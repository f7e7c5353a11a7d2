"""What a reviewed sample says about a whole output: exact upper bounds, with every assumption named.

Two statistics, for they answer different questions:

- the share of *notes* in which something was left. A note has a leak or has none, so the bound of Clopper and Pearson
  (1934) is exact whatever the leaks do within a note.
- the number of *identifiers* left per 1,000 notes. A note can hold several, so no share of notes bounds it; the bound
  of Garwood (1936) for a Poisson rate does, if leaks fall on notes independently. Leaks in clusters break that.

Both are one-sided, at 95 % for each line by itself. A stratified sample counts as a simple one after its bound is
multiplied by `Sample.thinnest`: drawing each stratum in proportion or more can only make the bound too high (Hoeffding
1956, theorem 4: for a given mean, few successes are likeliest when all probabilities are equal).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil

CONFIDENCE = 0.95
LEAST_OF_A_STRATUM = 2

Mark = tuple[int, int, str]  # start, end, category


@dataclass(frozen=True)
class Stratum:
    """A kind of note: how many there are, and how many were drawn."""

    name: str
    notes: int
    drawn: int


@dataclass(frozen=True)
class Sample:
    """A stratified sample of the notes of an output."""

    strata: tuple[Stratum, ...]

    @property
    def notes(self) -> int:
        return sum(stratum.notes for stratum in self.strata)

    @property
    def drawn(self) -> int:
        return sum(stratum.drawn for stratum in self.strata)

    @property
    def thinnest(self) -> float:
        """By how much the stratum that was drawn most thinly falls short of its share; 1 for a proportional sample."""
        return max(s.notes * self.drawn / (self.notes * s.drawn) for s in self.strata)


@dataclass(frozen=True)
class Bound:
    """What was found, and the most that there may be.

    Args:
        leaks: identifiers found; notes: notes in which they were found.
        notes_per_1000, leaks_per_1000: upper bounds, rounded up, as decimal strings.
    """

    leaks: int
    notes: int
    notes_per_1000: str
    leaks_per_1000: str


def allocate(sizes: Mapping[str, int], notes: int, least: int = LEAST_OF_A_STRATUM) -> dict[str, int]:
    """How many to draw of each stratum: in proportion, rounded up, at least `least` of each or all that there are.

    Args:
        sizes: notes of each stratum; notes: at most so many in all.

    Raises:
        ValueError: `notes` is too few for so many strata.
    """
    every = sum(sizes.values())
    for share in range(min(notes, every), -1, -1):
        drawn = {name: min(size, max(least, -(-share * size // every))) for name, size in sizes.items()}
        if sum(drawn.values()) <= notes:
            return drawn
    raise ValueError(f"{notes} notes are too few for {len(sizes)} strata")


def upper_share(found: int, drawn: int, confidence: float = CONFIDENCE) -> float:
    """The most that a share can be where `found` of `drawn` had it (Clopper and Pearson 1934), one-sided."""
    from scipy.special import betaincinv  # type: ignore[import-untyped]

    return 1.0 if found >= drawn else float(betaincinv(found + 1, drawn - found, confidence))


def upper_rate(found: int, drawn: int) -> float:
    """The most that a Poisson rate per note can be where `drawn` notes held `found` (Garwood 1936), one-sided."""
    from scipy.special import gammaincinv

    return float(gammaincinv(found + 1, CONFIDENCE)) / drawn


def bound_of(sample: Sample, leaks: Sequence[int]) -> Bound:
    """The bounds for a sample.

    Args:
        leaks: how many identifiers each drawn note still held, `[n]`.
    """
    total, notes = sum(leaks), sum(count > 0 for count in leaks)
    share = min(1.0, upper_share(notes, sample.drawn) * sample.thinnest)
    rate = upper_rate(total, sample.drawn) * sample.thinnest
    return Bound(total, notes, _per_1000(share), _per_1000(rate))


def _per_1000(upper: float) -> str:
    return f"{ceil(10_000 * upper) / 10:.1f}"  # a bound is rounded up


def united(reviews: Iterable[Sequence[Mark]]) -> list[frozenset[str]]:
    """The categories of each identifier that any reviewer marked in a note; marks that overlap are one identifier.

    Where reviewers disagree the union counts, in every category that one of them named.
    """
    leaks: list[frozenset[str]] = []
    last = -1
    for start, end, category in sorted(chain.from_iterable(reviews)):
        if start < last:
            leaks[-1] |= {category}
        else:
            leaks.append(frozenset((category,)))
        last = max(last, end)
    return leaks


def bounds(
    sample: Sample, notes: Sequence[Sequence[frozenset[str]]], categories: Iterable[str]
) -> tuple[Bound, dict[str, Bound]]:
    """The bound over all categories, and that of each.

    Args:
        notes: for each drawn note the categories of its leaks, as `united` gives them.
    """
    counts = [Counter(chain.from_iterable(leaks)) for leaks in notes]
    by_category = {name: bound_of(sample, [count[name] for count in counts]) for name in categories}
    return bound_of(sample, [len(leaks) for leaks in notes]), by_category


def agreement(first: Sequence[bool], second: Sequence[bool]) -> tuple[float, float | None]:
    """How far two reviewers say the same of the same notes: the share, and Cohen's kappa (1960).

    Kappa is None where chance alone would agree on every note, as where both found nothing anywhere.
    """
    share = sum(a == b for a, b in zip(first, second, strict=True)) / len(first)
    p, q = sum(first) / len(first), sum(second) / len(second)
    chance = p * q + (1 - p) * (1 - q)
    return share, None if chance == 1 else (share - chance) / (1 - chance)
