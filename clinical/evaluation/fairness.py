"""Scores of ranked conditions by sex, age band and type of note, each against all other held-back patients.

Each difference is judged by what chance alone makes of it: patients with as many notes as each other swap their groups,
many times (a permutation test; Good 2005), and the share of it is corrected for the number of groups (Holm 1979).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from clinical.diagnosis import ConditionModel
from clinical.evaluation.calibration import FEWEST_PATIENTS, judged
from clinical.evaluation.groups import Groups, groups_of
from clinical.evaluation.held_back import Read, held_back, read_all
from policies.access import Action, Purpose
from policies.events import Event
from policies.guard import Site

FEWEST = 5  # patients of a group, and of those outside it: below, an interval says nothing and a share names people
LEVEL = 0.05  # of p, below which a group is said to differ
_DEALS = 1999  # so that p can fall below the level with forty groups
_SEED = 0


@dataclass(frozen=True)
class GroupScore:
    """One group beside everybody else.

    Attributes:
        respect, group: for example "sex" and "female".
        precision_at_1, interval: share of its notes whose first suggestion is right; 95 %, counting each patient once
            however many notes there are, so that it is rather too wide (Clopper and Pearson 1934).
        difference, p: from the notes of everybody else, and how often chance alone makes so much of any group.
        coverage: share of its patients' notes (one of each) whose labels all lie in their set, beside the policy's
            level; None where the site has too few patients to calibrate.
    """

    respect: str
    group: str
    patients: int
    notes: int
    precision_at_1: float
    interval: tuple[float, float]
    difference: float
    p: float
    coverage: float | None

    @property
    def differs(self) -> bool:
        """Of twenty models that serve all groups alike, one is said to differ in any of them."""
        return self.p < LEVEL


@dataclass(frozen=True)
class FairnessScores:
    """All groups that are large enough; `too_small` names the others with their patients."""

    patients: int
    notes: int
    level: float
    groups: tuple[GroupScore, ...]
    too_small: Mapping[str, int]

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def evaluate_fairness(site: Site, model: ConditionModel, folder: Path) -> FairnessScores:
    """Score a model by group on the patients of a site that its plan held back; it is logged and stays at the site.

    Raises:
        AccessDenied: whoever asks may not evaluate.
        InputError: no note of a held-back patient has a label.
    """
    site.guard.permit(Action.EVALUATE, Purpose.RESEARCH)
    read = read_all(model, held_back(site, model, folder))
    scores = by_group(read, groups_of(folder), site.guard.policy.extraction.conformal_level)
    site.guard.record(Event.EVALUATED, model=model.name, patients=scores.patients, notes=scores.notes)
    return scores


def by_group(read: Read, groups: Mapping[str, Groups], level: float) -> FairnessScores:
    """Score every group of every respect.

    Args:
        groups: by document's id.
        level: of the sets.
    """
    rows = _Rows(read, level)
    found: dict[tuple[str, str], NDArray[np.bool_]] = {}
    too_small: dict[str, int] = {}
    for respect in next(iter(groups.values()), {}):
        names = np.array([groups[record][respect] for record in read.records])
        for group in map(str, sorted(set(names))):
            inside = names == group
            if min(rows.people(inside), rows.people(~inside)) < FEWEST:
                too_small[f"{respect} {group}"] = rows.people(inside)
            else:
                found[respect, group] = inside
    chances = _holm([rows.chance(inside) for inside in found.values()])
    scores = [rows.score(*name, inside, p) for (name, inside), p in zip(found.items(), chances, strict=True)]
    return FairnessScores(len(set(read.patients)), len(read.truth), level, tuple(scores), too_small)


def _holm(chances: list[float]) -> list[float]:
    """Each p as it counts beside the others (Holm 1979)."""
    order = np.argsort(chances, kind="stable")
    corrected = np.maximum.accumulate(np.array(chances)[order] * np.arange(len(chances), 0, -1))
    return np.minimum(corrected, 1.0)[np.argsort(order, kind="stable")].tolist()


def _interval(share: float, count: int) -> tuple[float, float]:
    right, wrong = share * count, (1 - share) * count
    low = beta.ppf(0.025, right, wrong + 1) if right else 0.0
    return float(low), float(beta.ppf(0.975, right + 1, wrong) if wrong else 1.0)


class _Rows:
    """Notes, and whether the first suggestion of each is right.

    Attributes:
        deals: of each deal, from which row the group of each row comes, `[D, N]`.
        covered: whether the set of a note holds all its labels, of one note of each patient; NaN for other notes.
    """

    def __init__(self, read: Read, level: float) -> None:
        self.patients = np.array(read.patients)
        self.right = read.truth[np.arange(len(read.truth)), read.log_odds.argmax(1)].astype(float)
        self.deals = _swaps(self.patients)
        self.covered = np.full(len(read.truth), np.nan)
        if len(read.alone) >= FEWEST_PATIENTS:
            _, sets = judged(read.log_odds[read.alone], read.truth[read.alone], level)
            self.covered[read.alone] = (sets | ~read.truth[read.alone]).all(1)

    def people(self, rows: NDArray[np.bool_]) -> int:
        return len(set(self.patients[rows]))

    def chance(self, inside: NDArray[np.bool_]) -> float:
        """How often the rows differ as much when patients swap their groups."""
        value, dealt = self._differences(inside[None])[0], self._differences(inside[self.deals])
        return float((1 + (np.abs(dealt) >= abs(value) - 1e-12).sum()) / (1 + _DEALS))

    def _differences(self, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Of each grouping `[D, N]`, the share of what is right inside less that outside, `[D]`."""
        count, right = inside.sum(1), inside @ self.right
        return np.asarray(right / count - (self.right.sum() - right) / (inside.shape[1] - count))

    def score(self, respect: str, group: str, inside: NDArray[np.bool_], p: float) -> GroupScore:
        """The score of the notes `inside` a group, beside that of all others."""
        people, precision = self.people(inside), float(self.right[inside].mean())
        covered = self.covered[inside & ~np.isnan(self.covered)]
        return GroupScore(
            respect,
            group,
            people,
            int(inside.sum()),
            precision,
            _interval(precision, people),
            precision - float(self.right[~inside].mean()),
            p,
            float(covered.mean()) if len(covered) else None,
        )


def _swaps(patients: NDArray[np.str_]) -> NDArray[np.int64]:
    """Rows dealt out so that patients with as many notes as each other swap all of theirs, `[D, N]`."""
    random = np.random.default_rng(_SEED)
    own = [np.flatnonzero(patients == patient) for patient in sorted(set(patients))]
    deals = np.tile(np.arange(len(patients)), (_DEALS, 1))
    for count in {len(rows) for rows in own}:
        alike = np.stack([rows for rows in own if len(rows) == count])
        dealt = random.permuted(np.tile(np.arange(len(alike)), (_DEALS, 1)), axis=1)
        deals[:, alike.ravel()] = alike[dealt].reshape(_DEALS, -1)
    return deals
