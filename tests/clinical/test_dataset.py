"""Notes by patient: no patient shapes what another one gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.dataset import Dataset, LabelledNote, keyed_share, read_dataset, split, target
from clinical.labels import LabelRule, LabelSource
from policies.errors import InputError
from tests.clinical.notes import condition, document, write

CANARY = "Zebulon"
BY_CATEGORY = LabelRule(LabelSource.CATEGORY, ("lung", "heart", "gut"))
BY_CONDITION = LabelRule(LabelSource.CONDITION, ("lung", "heart", "gut"), {"J18.9": "lung", "I50": "heart"})


def note(record: str = "n", labels: str = "lung") -> LabelledNote:
    return LabelledNote(record, CANARY, frozenset({labels}))


def test_notes_are_labelled_by_their_category(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        [
            document("d2", "b", "second", "lung", "gut"),
            document("d1", "b", "first", "heart"),
            document("d3", "a", "third", "unknown"),
            document("d4", "c", "", "gut", "unknown"),
        ],
    )
    dataset = read_dataset(folder, BY_CATEGORY)
    assert dataset.patients == ("b", "c")  # a has no labelled note
    assert [(n.record, n.text, n.labels) for n in dataset.notes["b"]] == [
        ("d1", "first", {"heart"}),
        ("d2", "second", {"lung", "gut"}),
    ]


def test_notes_are_labelled_by_the_conditions_of_their_encounter(tmp_path: Path) -> None:
    resources = [
        document("d1", "a", "one", encounter="e1"),
        document("d2", "a", "two", encounter="e2"),
        document("d3", "a", "three"),
        condition("c1", "a", "e1", "J18.9"),
        condition("c2", "a", "e1", "I50"),
        condition("c3", "a", "e9", "I50"),
    ]
    dataset = read_dataset(write(tmp_path, resources), BY_CONDITION)
    assert [(n.record, n.labels) for n in dataset.notes["a"]] == [("d1", {"lung", "heart"})]


def test_a_condition_of_another_patient_labels_nothing(tmp_path: Path) -> None:
    """Else one patient would change the gradient of another, and the epsilon would be that of nobody."""
    resources = [document("d1", "a", "one", encounter="e1"), condition("c1", "a", "e1", "J18.9")]
    alone = read_dataset(write(tmp_path, resources), BY_CONDITION)
    both = read_dataset(write(tmp_path, [*resources, condition("c2", "b", "e1", "I50")]), BY_CONDITION)
    assert both.notes == alone.notes


def test_encounters_are_found_where_r4_and_where_r5_name_them(tmp_path: Path) -> None:
    r4 = [document("d1", "a", "one", encounter="e1"), condition("c1", "a", "e1", "I50")]
    r5 = [{**r4[0], "context": r4[0]["context"]["encounter"]}, r4[1]]
    found = [read_dataset(write(tmp_path / name, own), BY_CONDITION).notes for name, own in (("r4", r4), ("r5", r5))]
    assert found[0] == found[1] != {}


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no de-identified documents"):
        read_dataset(write(tmp_path, [condition("c1", "a", "e1", "I50")]), BY_CONDITION)


def test_repr_shows_no_text() -> None:
    dataset = Dataset({"a": (note(),)}, BY_CATEGORY)
    assert CANARY not in repr(dataset) + repr(dataset.notes["a"][0]) + str(dataset.notes)


@settings(deadline=None)
@given(st.sets(st.text(min_size=1, max_size=8), min_size=2), st.text(max_size=8), st.floats(0, 0.99), st.data())
def test_a_patients_side_of_the_split_depends_on_the_own_pseudonym_and_the_key_alone(
    patients: set[str], key: str, held_back: float, data: st.DataObject
) -> None:
    everyone = Dataset({patient: (note(),) for patient in patients}, BY_CATEGORY)
    one = data.draw(st.sampled_from(sorted(patients)))
    alone = Dataset({one: (note("other", "gut"),)}, BY_CATEGORY)
    train, back = split(everyone, key, held_back)
    assert set(train.patients) | set(back.patients) == patients
    assert not set(train.patients) & set(back.patients)
    assert (one in train.notes) == (one in split(alone, key, held_back)[0].notes)


def test_the_split_holds_back_the_asked_share_and_another_key_splits_otherwise() -> None:
    names = [f"patient {number}" for number in range(4000)]
    shares = np.array([keyed_share(name, "key") for name in names])
    assert ((shares >= 0) & (shares < 1)).all()
    assert abs((shares < 0.25).mean() - 0.25) < 6 * np.sqrt(0.25 * 0.75 / 4000)
    other = np.array([keyed_share(name, "another key") for name in names])
    assert abs(np.corrcoef(shares, other)[0, 1]) < 6 / np.sqrt(4000)


@settings(deadline=None)
@given(st.sets(st.sampled_from(BY_CATEGORY.labels), min_size=1))
def test_a_target_is_a_distribution_over_the_notes_labels(labels: set[str]) -> None:
    found = target(frozenset(labels), BY_CATEGORY)
    assert found.dtype == np.float32
    assert found.sum() == pytest.approx(1.0)
    assert {label for label, share in zip(BY_CATEGORY.labels, found, strict=True) if share > 0} == labels
