import json

import pytest

from clinical.evaluation.phi import evaluate_phi
from policies.errors import InputError
from tests.clinical.exports import document, patient, write_export

TEXT = "Zebulon Quist came on 3/14/2019 with Ybarra and slept."
SPANS = [[0, 13, "NAME"], [22, 31, "DATE"], [37, 43, "NAME"]]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "notes"
    write_export(folder, patient("p1"), name="Patient.ndjson")
    notes = [
        document("d1", "p1", TEXT),
        document("d2", "p1", "Slept on 4/1/2020."),
        document("d3", "p1", "Not marked."),
    ]
    write_export(folder, *notes, name="notes.ndjson")
    gold = [{"id": "d1", "spans": SPANS}, {"id": "d2", "spans": []}]
    return write_export(folder, *gold, name="gold.jsonl")


def scores(folder, **options):
    return evaluate_phi(folder / "notes.ndjson", folder / "gold.jsonl", **{"tagger": False, **options})


def test_counts_are_those_done_by_hand(folder):
    result = scores(folder)
    # The roster finds the patient (13 characters) and a rule the date (9); nobody knows Ybarra (6).
    assert (result.documents, result.overall.spans) == (2, 3)
    assert (result.overall.found, result.overall.characters) == (22, 28)
    assert result.categories["NAME"].recall == pytest.approx(13 / 19)
    assert result.categories["DATE"].recall == 1.0
    # One of two names is whole: the exact interval of 1 in 2 (Clopper and Pearson 1934, tables).
    assert result.categories["NAME"].whole == 1
    assert result.categories["NAME"].exact == pytest.approx((0.0126, 0.9874), abs=1e-4)
    # The date of the second note is replaced and not marked: 8 characters, one of the 8 other words.
    assert result.precision == pytest.approx(22 / 30)
    assert (result.words, result.words_touched) == (8, pytest.approx(1 / 8))
    assert result.clean_notes == 0.5
    assert result.f1 == pytest.approx(2 * (22 / 30) * (22 / 28) / (22 / 30 + 22 / 28))


def test_without_the_roster_the_patient_is_not_known(folder):
    result = scores(folder, roster=False)
    assert (result.overall.found, result.roster) == (9, False)


def test_the_tagger_finds_a_name_that_nobody_knows(folder):
    result = scores(folder, tagger=True, roster=False)
    assert (result.overall.found, result.tagger) == (28, True)  # Zebulon Quist, the date, and Ybarra


def test_a_roster_elsewhere_is_used_when_it_is_named(folder, tmp_path):
    (folder / "Patient.ndjson").rename(tmp_path / "people.ndjson")
    assert scores(folder).overall.found == 9
    assert scores(folder, patients=tmp_path / "people.ndjson").overall.found == 22


def test_the_interval_holds_the_recall_and_is_the_same_every_time(folder):
    first, second = scores(folder), scores(folder)
    low, high = first.overall.interval
    assert low <= first.overall.recall <= high
    assert first.overall == second.overall


def test_json_is_one_object_on_one_line(folder):
    text = scores(folder).to_json()
    assert "\n" not in text
    assert {"precision", "f1", "documents_per_second", "overall", "categories"} <= json.loads(text).keys()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("gold.jsonl", b"{cut"),
        ("gold.jsonl", b'{"id": "d1"}'),
        ("gold.jsonl", b'{"id": "d1", "spans": [["a"]]}'),
        ("notes.ndjson", b'{"id": "d1", "content": []}'),
        ("notes.ndjson", b'{"id": "d1", "content": [{"attachment": {"data": "!"}}]}'),
    ],
)
def test_a_line_that_cannot_be_used_is_named(folder, name, line):
    path = folder / name
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(InputError, match=rf"{name}, line \d"):
        scores(folder)


def test_notes_of_another_gold_standard_are_refused(folder):
    (folder / "gold.jsonl").write_text('{"id": "x", "spans": []}\n')
    with pytest.raises(InputError, match="no note"):
        scores(folder)


def test_a_missing_file_is_named(folder):
    with pytest.raises(InputError, match="missing"):
        evaluate_phi(folder / "missing", folder / "gold.jsonl")
