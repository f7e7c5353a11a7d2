"""How often the right code of ICD-10-CM stands first, or among five, for names of the Disease Ontology.

Each name and exact synonym of a disease is looked up; the codes that the ontology refers it to are right. The ontology
(Schriml et al. 2012) is imported for nothing here: it would be asked about itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from clinical.coding import candidates, icd10cm
from clinical.coding.sources import OboTerm, obo_terms
from clinical.evaluation.counts import share
from clinical.evaluation.halves import Half, half_of
from policies.errors import InputError

_MOST = 5
_CATEGORY = 3  # letters of a category


@dataclass(frozen=True)
class Share:
    """A share of names, with its interval, 95 %, by bootstrap over diseases."""

    share: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class CodeScores:
    """How many names were given a right code first, or among five; a code itself, or one of its category.

    Attributes:
        unknown: diseases whose references are no codes of this edition; they are not scored.
    """

    half: str
    diseases: int
    names: int
    unknown: int
    first: Share
    among_five: Share
    category_first: Share
    category_among_five: Share
    milliseconds: float

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def evaluate_codes(corpus: Path, half: Half = "both") -> CodeScores:
    """Look up the names of an OBO file.

    Args:
        half: the half of the diseases that words and weights were tuned on, the other, or both; by a hash of the
            identifier.

    Raises:
        InputError: the file cannot be read, or no disease refers to ICD-10-CM.
    """
    try:
        terms = [term for term in obo_terms(corpus) if half in ("both", half_of(term.identifier))]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=corpus) from None
    except UnicodeDecodeError:
        raise InputError("is not text in UTF-8", "Name an OBO file.", file=corpus) from None
    known = [term for term in terms if not icd10cm.entries().keys().isdisjoint(term.icd10cm)]
    if not known:
        raise InputError("no disease that refers to ICD-10-CM here", "Name doid.obo.", file=corpus)
    candidates("asthma", "problem")  # build the index before the clock runs
    return score_terms(known, _look_up, half, len(terms) - len(known))


def _look_up(name: str) -> list[str]:
    return [found.code for found in candidates(name, "problem", most=_MOST)]


def score_terms(
    terms: Sequence[OboTerm], look_up: Callable[[str], Sequence[str]], half: str = "both", unknown: int = 0
) -> CodeScores:
    """Compare what `look_up` gives for each name with the references of its disease."""
    right = np.zeros((4, len(terms)), np.int64)
    names = np.array([len(term.names) for term in terms])
    seconds = 0.0
    for place, term in enumerate(terms):
        codes, categories = {*term.icd10cm}, {code[:_CATEGORY] for code in term.icd10cm}
        for name in term.names:
            started = time.perf_counter()
            found = look_up(name)
            seconds += time.perf_counter() - started
            above = [code[:_CATEGORY] for code in found]
            right[0, place] += bool(codes.intersection(found[:1]))
            right[1, place] += bool(codes.intersection(found))
            right[2, place] += bool(categories.intersection(above[:1]))
            right[3, place] += bool(categories.intersection(above))
    total = int(names.sum())
    first, among_five, category_first, category_among_five = (Share(*share(row, names)) for row in right)
    return CodeScores(
        half,
        len(terms),
        total,
        unknown,
        first,
        among_five,
        category_first,
        category_among_five,
        1000 * seconds / total,
    )
