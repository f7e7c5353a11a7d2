"""Scores by group: what is told apart, what is left out, and what is not made of chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clinical.diagnosis import ConditionModel
from clinical.evaluation.fairness import FEWEST, _holm, by_group, evaluate_fairness
from clinical.evaluation.groups import AGE, NOT_SAID, SEX, TYPE, groups_of
from clinical.evaluation.held_back import Read
from policies.errors import AccessDenied
from policies.events import Event
from policies.guard import open_site
from policies.models import SignedModel
from policies.policy import default_policy_text
from policies.workspace import Workspace
from tests.clinical.notes import cohort, document, write
from tests.policies.logs import happened


def patient(name: str, gender: str | None, born: str | None) -> dict[str, object]:
    said = {"gender": gender, "birthDate": born}
    return {"resourceType": "Patient", "id": name, **{key: value for key, value in said.items() if value}}


def dated(record: str, name: str, date: str, kind: dict[str, object]) -> dict[str, object]:
    return {**document(record, name, "x", "lung"), "date": date, "type": kind}


def test_groups_are_those_of_the_folder(tmp_path: Path) -> None:
    resources = [
        patient("a", "female", "1940"),
        patient("b", "male", "2010-05-06"),
        patient("c", None, None),
        dated("1", "a", "2020-01-02", {"coding": [{"code": "34133-9", "display": "Summary"}]}),
        dated("2", "b", "2020-01-02", {"text": "Letter"}),
        dated("3", "b", "2028-01-02", {"coding": [{"code": "34133-9"}]}),
        document("4", "c", "x", "lung"),
    ]
    assert groups_of(write(tmp_path, resources)) == {
        "1": {SEX: "female", AGE: "65 and over", TYPE: "Summary"},
        "2": {SEX: "male", AGE: "under 18", TYPE: "Letter"},
        "3": {SEX: "male", AGE: "18-39", TYPE: "34133-9"},
        "4": {SEX: NOT_SAID, AGE: NOT_SAID, TYPE: NOT_SAID},
    }


def made_up(right: np.ndarray, people: np.ndarray) -> Read:
    """A note for each row whose first suggestion is right where it says so; every person's first note stands alone."""
    truth = np.zeros((len(right), 2), bool)
    truth[:, 0] = True
    odds = np.where(right[:, None], [[1.0, -1.0]], [[-1.0, 1.0]])
    names = tuple(f"p{person}" for person in people)
    alone = np.unique(people, return_index=True)[1]
    return Read(names, tuple(map(str, range(len(right)))), odds, odds, truth, alone, 1.0)


def test_a_group_that_is_served_worse_is_told_from_one_that_is_not() -> None:
    people = np.repeat(np.arange(120), 2)
    right = np.random.default_rng(5).random(240) < np.where(people % 2, 0.9, 0.5)
    names = {str(row): {SEX: "f" if person % 2 else "m", AGE: str(person % 3)} for row, person in enumerate(people)}
    scores = by_group(made_up(right, people), names, 0.9)
    found = {(own.respect, own.group): own for own in scores.groups}
    assert set(found) == {(SEX, "f"), (SEX, "m"), (AGE, "0"), (AGE, "1"), (AGE, "2")}
    assert found[SEX, "f"].differs
    assert found[SEX, "m"].differs
    assert not any(found[AGE, name].differs for name in "012")
    female = found[SEX, "f"]
    assert (female.patients, female.notes) == (60, 120)
    assert female.precision_at_1 == right[people % 2 == 1].mean()
    assert female.difference == pytest.approx(-found[SEX, "m"].difference)
    assert female.interval[0] <= female.precision_at_1 <= female.interval[1]
    assert female.coverage is not None


def test_a_few_patients_who_are_all_served_well_are_no_difference() -> None:
    """Resampled, a group that is all right has an interval of no width: every second one would be said to differ."""
    random, said = np.random.default_rng(3), 0
    for _ in range(40):
        people = np.repeat(np.arange(106), random.integers(1, 4, 106))
        right = random.random(len(people)) < random.beta(2.85, 0.15, 106)[people]
        names = {str(row): {SEX: "rare" if person < 6 else "usual"} for row, person in enumerate(people)}
        said += by_group(made_up(right, people), names, 0.9).groups[0].differs
    assert said <= 5


def test_of_many_groups_one_that_is_apart_by_chance_is_not_said_to_differ() -> None:
    assert _holm([0.04, 0.001, 0.03]) == pytest.approx([0.06, 0.003, 0.06])


def test_a_group_of_few_patients_is_counted_and_not_scored_however_many_notes_they_have() -> None:
    people = np.concatenate([np.arange(40), np.full(50, 40), np.arange(41, 41 + FEWEST - 2)])
    names = {str(row): {SEX: "rare" if person >= 40 else "usual"} for row, person in enumerate(people)}
    scores = by_group(made_up(np.ones(len(people), bool), people), names, 0.9)
    assert not scores.groups
    assert scores.too_small == {f"{SEX} rare": FEWEST - 1, f"{SEX} usual": 40}


def test_a_hospitals_scores_are_permitted_and_logged(signed: SignedModel, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text("alice"))
    site, model = open_site(workspace, "north", "alice"), ConditionModel(signed)
    notes = cohort(60)
    people = sorted({str(note["subject"]["reference"]).split("/")[1] for note in notes})
    known = [patient(name, "female" if int(name[1:]) % 2 else "male", "1950") for name in people]
    folder = write(tmp_path / "data", [*known, *notes])
    scores = evaluate_fairness(site, model, folder)
    assert {own.group for own in scores.groups if own.respect == SEX} == {"female", "male"}
    (entry,) = happened(site.home.audit, site.keys.public)
    assert (entry.event, entry.details["patients"]) == (Event.EVALUATED, scores.patients)
    with pytest.raises(AccessDenied):
        evaluate_fairness(open_site(workspace, "north", "mallory"), model, folder)
