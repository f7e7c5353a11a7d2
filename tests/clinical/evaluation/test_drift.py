"""Drift: notes of the same making do not drift, other words and other suggestions do, and each is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.diagnosis import ConditionModel
from clinical.evaluation import drift
from clinical.evaluation.drift import FEWEST_PATIENTS, Notes, compare, evaluate_drift, notes_of
from clinical.evaluation.held_back import held_back
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.guard import open_site
from policies.models import SignedModel
from policies.policy import default_policy_text
from policies.workspace import Workspace
from tests.clinical.notes import SENTENCES, cohort, write
from tests.policies.logs import happened


@pytest.fixture(scope="module")
def model(signed: SignedModel) -> ConditionModel:
    return ConditionModel(signed)


def notes(labels: str, prefix: str, extra: str = "") -> Notes:
    """A note for each of some people: the sentences of a label each."""
    return {f"{prefix}{number}": [" ".join((*SENTENCES[label], extra))] for number, label in enumerate(labels.split())}


def test_notes_of_the_same_making_do_not_drift(model: ConditionModel) -> None:
    found = compare(model, notes("lung heart gut " * 8, "a"), notes("gut lung heart " * 6, "b"))
    assert (found.before, found.after) == ((24, 24), (18, 18))
    assert not any(own.drifted for own in found.measures)
    assert all(0 <= own.value <= own.chance for own in found.measures)


def test_another_mix_of_patients_is_seen_in_what_is_suggested(model: ConditionModel) -> None:
    found = compare(model, notes("lung heart gut " * 8, "a"), notes("gut gut gut " * 8, "b"))
    assert {own.name for own in found.measures if own.drifted} >= {"words", "first suggestions"}


def test_new_words_are_seen_where_the_patients_are_alike(model: ConditionModel) -> None:
    found = compare(
        model,
        notes("lung heart gut " * 8, "a"),
        notes("lung heart gut " * 8, "b", "Dictated remotely and signed by machine."),
    )
    words = found.measures[0]
    assert words.drifted
    assert words.p == 1 / 200


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**32 - 1))
def test_a_patient_of_many_notes_is_no_drift(model: ConditionModel, seed: int) -> None:
    """By patient, chance may deal one with 30 notes to either side; by note it never would."""
    labels = np.random.default_rng(seed).permutation(["lung", "heart", "gut"] * 8)
    before, after = notes(" ".join(labels[:12]), "a"), dict(notes(" ".join(labels[12:]), "b"))
    after["b0"] = [*after["b0"]] * 30
    assert not next(own for own in compare(model, before, after).measures if own.name == "words").drifted


def test_two_folders_are_compared_and_it_is_logged(model: ConditionModel, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text("alice"))
    site = open_site(workspace, "north", "alice")
    before, after = write(tmp_path / "a", cohort(120)), write(tmp_path / "b", cohort(12, "q"))
    found = evaluate_drift(site, model, before, after)
    assert found.after[0] == 12
    assert found.before[0] == len(held_back(site, model, before).patients) < 120
    (entry,) = happened(site.home.audit, site.keys.public)
    assert (entry.event, entry.details["patients"]) == (Event.EVALUATED, 12)
    with pytest.raises(AccessDenied):
        evaluate_drift(open_site(workspace, "north", "mallory"), model, before, after)
    with pytest.raises(InputError, match="notes of 9 patients"):
        notes_of(site, write(tmp_path / "c", cohort(FEWEST_PATIENTS - 1)), lambda patient: True)


def test_who_refused_or_stands_in_both_folders_is_not_counted_twice(
    model: ConditionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text("alice"))
    site = open_site(workspace, "north", "alice")
    before = write(tmp_path / "a", cohort(120))
    validated = held_back(site, model, before).patients
    back = [note for note in cohort(120) if str(note["subject"]["reference"]).split("/")[1] in validated[:3]]
    after = write(tmp_path / "b", [*cohort(12, "q"), *back])
    found = evaluate_drift(site, model, before, after)
    assert (found.before[0], found.after[0]) == (len(validated) - 3, 15)
    monkeypatch.setattr(drift, "refused", lambda site, purpose, patients: {validated[0], validated[5]} & {*patients})
    found = evaluate_drift(site, model, before, after)
    assert (found.before[0], found.after[0]) == (len(validated) - 4, 14)
