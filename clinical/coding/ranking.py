"""Ranked candidates for a phrase: ICD-10-CM always, other systems where the hospital brought their files.

How often a code of ICD-10-CM that the Disease Ontology refers to stands first or among five, and the same of its
category, with the 95 % interval by disease, as `confide evaluate codes --corpus
disease_ontology/doid-2016-09-01.obo --half held-out` prints it (4,007 names of 1,193 diseases; words and weights were
tuned on the other half):

    disease_ontology/doid-2016-09-01.obo  first                0.656 (0.633-0.678)
    disease_ontology/doid-2016-09-01.obo  among_five           0.743 (0.721-0.765)
    disease_ontology/doid-2016-09-01.obo  category_first       0.773 (0.751-0.793)
    disease_ontology/doid-2016-09-01.obo  category_among_five  0.830 (0.809-0.848)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clinical.coding import icd10cm
from clinical.coding.index import Match
from clinical.coding.words import spelled, words_of
from policies.files import table_of

if TYPE_CHECKING:
    from clinical.coding.library import Library
    from clinical.extraction.mentions import Kind

SNOMED = "SNOMED CT"
SMALLEST_SCORE = 0.35  # below, what is shared says little
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NAMED = 0.9  # a phrase that a term names as well as this is not read by the dictionary too
_TRIED = 8  # terms for each candidate: a code has several terms
# Which systems have names for what is of a kind.
SYSTEMS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "problem": (icd10cm.SYSTEM, SNOMED),
    "finding": (icd10cm.SYSTEM, SNOMED),
    "medication": ("RxNorm", SNOMED),
    "test": ("LOINC", SNOMED),
    "procedure": (SNOMED,),
    "device": (SNOMED,),
    "anatomy": (SNOMED,),
}


@dataclass(frozen=True)
class Code:
    """A candidate for a phrase.

    Attributes:
        score: how alike the phrase and the best name of the code are, by the words that they share (Tversky's index): 1
            says the same words, 0 none in common. It is no probability.
        because: the words of the phrase that decide, those that fewer codes have first.
        missing: what a more specific code asks for and the phrase does not say: "laterality: right, left".
    """

    system: str
    code: str
    display: str
    score: float
    because: tuple[str, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Best:
    """The best term of a code: how alike it is, and the words of the phrase that it was compared with."""

    score: float
    because: tuple[str, ...]
    said: frozenset[str]


def candidates(phrase: str, kind: Kind, *, most: int = 5, library: Library | None = None) -> tuple[Code, ...]:
    """The codes that are most like a phrase, best first: at most `most` of each system that has names for its kind.

    Args:
        kind: of a mention; problems and findings have ICD-10-CM, the others only what a library holds.
        library: what the hospital imported.
    """
    found: list[Code] = []
    for system in SYSTEMS[kind]:
        if system == icd10cm.SYSTEM:
            found += _icd10cm(phrase, most, library)
        elif library is not None and library.paths(system):
            tags = table_of("clinical", "tables/coding")["snomed"][kind] if system == SNOMED else ()
            found += _imported(phrase, system, tags, most, library)
    return tuple(found)


def _readings(phrase: str) -> Iterator[dict[str, str]]:
    """The words to look for, each with those of the phrase: as written, then by the dictionary's name ("htn")."""
    plain = _ASIDE.sub(" ", phrase)
    yield spelled(plain) or spelled(phrase)
    from clinical.extraction.entities import dictionary  # brings spaCy, which a well-named phrase does not need

    name = dictionary().get(" ".join(phrase.lower().split()))
    if name and (not name.exact or name.exact in phrase):
        yield dict.fromkeys(spelled(name.concept), " ".join(phrase.split()))


def _icd10cm(phrase: str, most: int, library: Library | None) -> list[Code]:
    """ICD-10-CM's own terms, and names that an imported ontology gives to its codes."""
    entries, terms = icd10cm.entries(), icd10cm.terms()
    best: dict[str, _Best] = {}
    for reading in _readings(phrase):
        found = [(terms.codes[match.row], match) for match in terms.index.best(reading, most * _TRIED)]
        if library is not None:
            found += [(code, match) for code, _, match in library.best(icd10cm.SYSTEM, reading, most * _TRIED)]
        for code, match in found:
            if code in entries:
                narrow = icd10cm.narrowed(entries[code], reading)
                _keep(best, narrow.code, match, reading, words_of(narrow.title) if narrow.code != code else ())
        if max((own.score for own in best.values()), default=0.0) >= _NAMED:
            break
    ranked = _ranked(best, most)
    if common := icd10cm.common(code for code in ranked if best[code].score == best[ranked[0]].score):
        best[common] = best[ranked[0]]
        ranked = [common, *(code for code in ranked if code != common)][:most]
    return [
        Code(
            icd10cm.SYSTEM, code, entries[code].title, own.score, own.because, icd10cm.missing(entries[code], own.said)
        )
        for code in ranked
        if (own := best[code])
    ]


def _imported(phrase: str, system: str, tags: Collection[str], most: int, library: Library) -> list[Code]:
    best: dict[str, _Best] = {}
    displays: dict[str, str] = {}
    for reading in _readings(phrase):
        for code, display, match in library.best(system, reading, most * _TRIED, tags):
            displays[code] = display
            _keep(best, code, match, reading)
    return [Code(system, code, displays[code], best[code].score, best[code].because) for code in _ranked(best, most)]


def _keep(
    best: dict[str, _Best], code: str, match: Match, reading: Mapping[str, str], also: Collection[str] = ()
) -> None:
    """Remember the best term of a code; words that its title has `also` decide as well."""
    if code not in best or match.score > best[code].score:
        words = (*match.words, *(word for word in reading if word in also))
        because = tuple(dict.fromkeys(reading[word] for word in words))
        best[code] = _Best(match.score, because, frozenset(reading))


def _ranked(best: Mapping[str, _Best], most: int) -> list[str]:
    """Codes by score; of those that are equally alike the shorter, which says less, first."""
    alike = [code for code in best if best[code].score >= SMALLEST_SCORE]
    return sorted(alike, key=lambda code: (-best[code].score, len(code), code))[:most]
