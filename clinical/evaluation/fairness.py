"""Scores of ranked conditions by sex, age band and type of note, each against all other held-back patients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clinical.diagnosis import ConditionModel
from clinical.evaluation.bootstrap import interval, resampled
from clinical.evaluation.calibration import FEWEST_PATIENTS, judged
from clinical.evaluation.groups import Groups, groups_of
from clinical.evaluation.held_back import Read, held_back, read_all
from policies.access import Action, Purpose
from policies.events import Event
from policies.guard import Site

FEWEST = 5  # patients of a group, and of those outside it: below, an interval says nothing and a share names people

Interval = tuple[float, float]


@dataclass(frozen=True)
class GroupScore:
    """One group beside everybody else.

    Attributes:
        respect, group: for example "sex" and "female".
        precision_at_1, interval: share of its notes whose first suggestion is right; 95 %, by bootstrap over patients.
        difference, difference_interval: from the notes of everybody else.
        coverage: share of its patients' notes (one of each) whose labels all lie in their set, beside the policy's
            level; None where the site has too few patients to calibrate.
    """

    respect: str
    group: str
    patients: int
    notes: int
    precision_at_1: float
    interval: Interval
    difference: float
    difference_interval: Interval
    coverage: float | None

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference leaves out 0; of twenty groups that do not differ one does."""
        low, high = self.difference_interval
        return low > 0 or high < 0


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
    found: list[GroupScore] = []
    too_small: dict[str, int] = {}
    for respect in next(iter(groups.values()), {}):
        names = np.array([groups[record][respect] for record in read.records])
        for group in sorted(set(names)):
            inside = names == group
            if min(rows.people(inside), rows.people(~inside)) < FEWEST:
                too_small[f"{respect} {group}"] = rows.people(inside)
            else:
                found.append(rows.score(respect, str(group), inside))
    return FairnessScores(len(set(read.patients)), len(read.truth), level, tuple(found), too_small)


class _Rows:
    """Notes, whether the first suggestion of each is right, and the resamples of their patients.

    Attributes:
        covered: whether the set of a note holds all its labels, of one note of each patient; NaN for other notes.
    """

    def __init__(self, read: Read, level: float) -> None:
        self.patients = np.array(read.patients)
        self.right = read.truth[np.arange(len(read.truth)), read.log_odds.argmax(1)]
        self.samples = resampled([np.flatnonzero(self.patients == patient) for patient in sorted(set(read.patients))])
        self.covered = np.full(len(read.truth), np.nan)
        if len(read.alone) >= FEWEST_PATIENTS:
            _, sets = judged(read.log_odds[read.alone], read.truth[read.alone], level)
            self.covered[read.alone] = (sets | ~read.truth[read.alone]).all(1)

    def people(self, rows: NDArray[np.bool_]) -> int:
        return len(set(self.patients[rows]))

    def score(self, respect: str, group: str, inside: NDArray[np.bool_]) -> GroupScore:
        """The score of the notes `inside` a group, beside that of all others."""
        right = self.right
        halves = [(rows[inside[rows]], rows[~inside[rows]]) for rows in self.samples]
        drawn = [(right[own].mean(), right[others].mean()) for own, others in halves if len(own) and len(others)]
        covered = self.covered[inside & ~np.isnan(self.covered)]
        return GroupScore(
            respect,
            group,
            self.people(inside),
            int(inside.sum()),
            float(right[inside].mean()),
            interval([own for own, _ in drawn]),
            float(right[inside].mean() - right[~inside].mean()),
            interval([own - others for own, others in drawn]),
            float(covered.mean()) if len(covered) else None,
        )
