"""Whether notes that came later are still those that a model was validated on: their words, and what it makes of them.

Each difference is judged by what chance alone makes of it: patients of both sets are mixed and dealt out anew, many
times (a permutation test; Good 2005), so that a patient's notes stay together.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit

from clinical.dataset import document_text, keyed_share, resources, subject_of
from clinical.diagnosis import ConditionModel
from clinical.diagnosis.model import Floats
from clinical.evaluation.held_back import read_whole
from policies.access import Action, Purpose
from policies.errors import InputError
from policies.events import Event
from policies.guard import Site
from privacy.consent_book import refused

FEWEST_PATIENTS = 10  # of each set
DEALS = 199  # so that the smallest p is 1 in 200
LEVEL = 0.01  # of p, below which a measure is said to have drifted
_SEED = 0
_WORD = re.compile(r"[^\W\d_]{2,}")

Notes = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Measure:
    """One difference between two sets of notes.

    Attributes:
        value: how far they differ; 0 is not at all, 1 wholly.
        chance: what 95 of 100 random deals of the same patients stay below.
        p: share of deals, these two sets counted in, that differ as much.
    """

    name: str
    value: float
    chance: float
    p: float

    @property
    def drifted(self) -> bool:
        return self.p < LEVEL


@dataclass(frozen=True)
class Drift:
    """Patients and notes of both sets, and what differs."""

    before: tuple[int, int]
    after: tuple[int, int]
    measures: tuple[Measure, ...]

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def evaluate_drift(site: Site, model: ConditionModel, before: Path, after: Path) -> Drift:
    """Compare the held-back patients of one folder of a site with another one; it is logged, and stays at the site.

    Who refused research is in neither. A patient of both stands in the later one alone, since nobody is two patients.

    Args:
        before: what the model was validated on: patients whom its plan trained on are left out of it.

    Raises:
        AccessDenied: whoever asks may not evaluate.
        InputError: one of them has notes of fewer than ten such patients.
    """
    site.guard.permit(Action.EVALUATE, Purpose.RESEARCH)
    later = notes_of(site, after, lambda patient: True)
    validated = notes_of(
        site, before, lambda own: own not in later and keyed_share(own, model.split_key) < model.held_back
    )
    found = compare(model, validated, later)
    site.guard.record(Event.EVALUATED, model=model.name, patients=found.after[0], notes=found.after[1])
    return found


def notes_of(site: Site, folder: Path, counts: Callable[[str], bool]) -> Notes:
    """The texts, labelled or not, of patients of a de-identified folder who count and did not refuse research.

    Raises:
        InputError: notes of fewer than ten of them.
    """
    found: dict[str, list[str]] = {}
    for document in resources(folder, "DocumentReference"):
        found.setdefault(subject_of(document).removeprefix("Patient/"), []).append(document_text(document))
    refusing = refused(site, Purpose.RESEARCH, list(found))
    kept = {patient: texts for patient, texts in found.items() if patient not in refusing and counts(patient)}
    if len(kept) < FEWEST_PATIENTS:
        hint = f"Drift is judged from {FEWEST_PATIENTS} patients on; name a folder with more."
        raise InputError(f"notes of {len(kept)} patients that count", hint, file=folder)
    return kept


def compare(model: ConditionModel, before: Notes, after: Notes) -> Drift:
    """Compare what two sets of patients' notes say, and what a model makes of them."""
    texts = [texts for notes in (before, after) for texts in notes.values()]
    owner = np.repeat(np.arange(len(texts)), [len(own) for own in texts])
    odds = np.concatenate([model.log_odds(read_whole(model, text)) for own in texts for text in own])
    later = np.arange(len(texts)) >= len(before)
    first = odds.argmax(1)
    counts = _word_counts(texts)
    labels = _summed(np.eye(odds.shape[1])[first], owner, len(texts))
    sure = expit(odds.max(1))
    measures = (
        _measure("words", later, lambda side: _divergence(counts, side)),
        _measure("first suggestions", later, lambda side: _divergence(labels, side)),
        _measure("their probability", later, lambda side: _distance(sure, side[owner])),
    )
    return Drift(_size(before), _size(after), measures)


def _size(notes: Notes) -> tuple[int, int]:
    return len(notes), sum(map(len, notes.values()))


def _word_counts(texts: Sequence[Sequence[str]]) -> csr_array:
    """How often each patient's notes have each word, `[P, W]`."""
    words: dict[str, int] = {}
    own = [Counter(_WORD.findall(" ".join(each).lower())) for each in texts]
    columns = [words.setdefault(word, len(words)) for counts in own for word in counts]
    rows = np.repeat(np.arange(len(own)), [len(counts) for counts in own])
    values = np.array([count for counts in own for count in counts.values()], float)
    return csr_array((values, (rows, np.array(columns, np.int64))), shape=(len(own), len(words)))


def _summed(rows: Floats, owner: NDArray[np.int64], count: int) -> csr_array:
    summed = np.zeros((count, rows.shape[1]))
    np.add.at(summed, owner, rows)
    return csr_array(summed)


def _measure(name: str, later: NDArray[np.bool_], differ: Callable[[NDArray[np.bool_]], float]) -> Measure:
    random = np.random.default_rng(_SEED)
    value = differ(later)
    dealt = np.array([differ(random.permutation(later)) for _ in range(DEALS)])
    return Measure(
        name, value, float(np.quantile(dealt, 0.95)), float((1 + (dealt >= value - 1e-12).sum()) / (1 + DEALS))
    )


def _divergence(counts: csr_array, later: NDArray[np.bool_]) -> float:
    """Jensen-Shannon divergence (Lin 1991) in bits of what two sides say in sum: in [0, 1]."""
    sides = [np.asarray(counts.T @ side.astype(float)) for side in (~later, later)]
    shares = [side / max(side.sum(), 1.0) for side in sides]
    middle = (shares[0] + shares[1]) / 2
    return float(sum(_relative_entropy(share, middle) for share in shares) / 2)


def _relative_entropy(share: Floats, other: Floats) -> float:
    there = share > 0
    return float((share[there] * np.log2(share[there] / other[there])).sum())


def _distance(values: Floats, later: NDArray[np.bool_]) -> float:
    """The largest distance between two distribution functions (Kolmogorov 1933; Smirnov 1948): in [0, 1]."""
    places = np.sort(values)
    below = [np.searchsorted(np.sort(values[side]), places, "right") / max(side.sum(), 1) for side in (~later, later)]
    return float(np.abs(below[0] - below[1]).max())
