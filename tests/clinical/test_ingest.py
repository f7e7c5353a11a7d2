import tracemalloc

import pytest

from clinical.ingest import Problem, open_export, read_export
from policies.errors import InputError
from privacy.records import RawRecord
from tests.clinical.exports import CANARY, condition, document, patient, write_export


def read(folder, **options):
    items = list(read_export(folder, **options))
    records = [i for i in items if isinstance(i, RawRecord)]
    problems = [i for i in items if isinstance(i, Problem)]
    return {f"{r.resource['resourceType']}/{r.record_id}" for r in records}, {(p.line, p.kind) for p in problems}


def test_content_decides_and_not_the_name_of_a_file(tmp_path):
    write_export(tmp_path / "in", document("d1", "p1"), name="Patient.ndjson")
    write_export(tmp_path / "in", patient("p1"), condition("c1", "p1"), name="zzz.json")
    assert read(tmp_path / "in") == ({"DocumentReference/d1", "Patient/p1", "Condition/c1"}, set())


def test_a_record_has_its_text_patient_and_place(tmp_path):
    write_export(tmp_path / "in", patient("p1"), document("d1", "p1", "Seen well."))
    (record,) = [r for r in read_export(tmp_path / "in" / "everything.ndjson") if isinstance(r, RawRecord) and r.text]
    assert (record.text, record.patient_id, record.file, record.line) == ("Seen well.", "p1", "everything.ndjson", 2)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"resourceType": "Condition", "id": "c1", "code": {"cod', "not JSON"),
        (b"[1, 2]", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"resourceType": "Condition", "x": NaN}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ({"id": "x"}, "not FHIR"),
        ({"resourceType": "Device", "id": "x"}, "unknown resource type"),
        ({"resourceType": "Condition", "subject": {"reference": "Patient/p1"}}, "no id"),
        ({**condition("c1", "p1"), "subject": None}, "no subject"),
        ({**condition("c1", "p1"), "subject": {"reference": "Group/p1"}}, "no subject"),
        (condition("c1", "p9"), "unknown patient"),
        ({**condition("c1", "p1"), "code": None}, "no code"),
        ({**condition("c1", "p1"), "code": {"text": CANARY}}, "no code"),
        ({**document("d1", "p1"), "content": []}, "no text"),
        ({**document("d1", "p1"), "content": [{"attachment": {"url": "Binary/1"}}]}, "no text"),
        (document("d1", "p1", "   "), "empty note"),
        (document("d1", "p1", "x" * 5_000_000), "note too large"),
        (document("d1", "p1", content_type="text/plain; charset=klingon"), "unknown charset"),
        (document("d1", "p1", content_type="application/pdf"), "not text"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_rest_is_read(tmp_path, line, kind):
    write_export(tmp_path / "in", patient("p1"), line, condition("c2", "p1"))
    assert read(tmp_path / "in") == ({"Patient/p1", "Condition/c2"}, {(2, kind)})
    (problem,) = [p for p in read_export(tmp_path / "in") if isinstance(p, Problem)]
    assert problem.file == "everything.ndjson"
    assert CANARY not in problem.message


def test_two_patients_with_one_id_are_both_left_out_with_all_their_records(tmp_path):
    write_export(
        tmp_path / "in",
        patient("p1"),
        patient("p1", "Other"),
        document("d1", "p1"),
        patient("p2"),
        document("d2", "p2"),
    )
    kind = "two patients with one id"
    assert read(tmp_path / "in") == ({"Patient/p2", "DocumentReference/d2"}, {(1, kind), (2, kind), (3, kind)})


def test_the_same_patient_twice_is_only_a_repetition(tmp_path):
    write_export(tmp_path / "in", patient("p1"), patient("p1"), document("d1", "p1"))
    assert read(tmp_path / "in") == ({"Patient/p1", "DocumentReference/d1"}, {(2, "repeated id")})


def test_a_repeated_document_is_read_once(tmp_path):
    write_export(tmp_path / "in", patient("p1"), document("d1", "p1"), document("d1", "p1", "another text"))
    assert read(tmp_path / "in")[1] == {(3, "repeated id")}


def test_a_note_in_two_formats_counts_once(tmp_path):
    one = document("d1", "p1", "Seen well.")
    one["content"] += document("x", "p1", "<p>Seen well.</p>".replace("<p>", "").replace("</p>", ""))["content"]
    write_export(tmp_path / "in", patient("p1"), one)
    assert [r.text for r in read_export(tmp_path / "in") if r.text] == ["Seen well."]


def test_a_file_without_any_fhir_is_one_problem(tmp_path):
    write_export(tmp_path / "in", patient("p1"))
    write_export(tmp_path / "in", {"id": "x"}, {"id": "y"}, name="gold.jsonl")
    assert read(tmp_path / "in") == ({"Patient/p1"}, {(1, "not FHIR")})


def test_a_patient_is_read_again_from_its_place(tmp_path):
    export = open_export(write_export(tmp_path / "in", condition("c1", "p2"), patient("p1"), patient("p2", "Berg")))
    assert export.patient("p2")["name"][0]["family"] == "Berg"


@pytest.mark.parametrize("place", ["missing", "empty"])
def test_no_export_is_a_clear_error(tmp_path, place):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=place):
        read_export(tmp_path / place)


def test_memory_does_not_grow_with_the_export(tmp_path):
    notes = (document(f"d{i}", "p1", "word " * 4000) for i in range(400))
    folder = write_export(tmp_path / "in", patient("p1"), *notes)
    assert (folder / "everything.ndjson").stat().st_size > 10_000_000
    tracemalloc.start()
    assert sum(1 for _ in read_export(folder)) == 401
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
