import base64
import json
import tracemalloc

import pytest

from clinical.formats import fhir
from clinical.formats.fhir import open_fhir
from clinical.formats.source import Problem
from policies.errors import InputError
from privacy.formats.fhir_notes import attached_text
from privacy.records import RawRecord
from tests.clinical.exports import CANARY, condition, document, patient, write_export


def source_of(folder, **options):
    return open_fhir(sorted(folder.iterdir()), **options)


def read(folder, **options):
    items = list(source_of(folder, **options).records())
    records = [i for i in items if isinstance(i, RawRecord)]
    problems = [i for i in items if isinstance(i, Problem)]
    return {f"{r.kind}/{r.record_id}" for r in records}, {(p.line, p.kind) for p in problems}


def bundle(*entries, type_="transaction"):
    return {"resourceType": "Bundle", "type": type_, "entry": list(entries)}


def pretty(folder, resource, name="one.json"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(resource, indent=2))
    return folder


def test_content_decides_and_not_the_name_of_a_file(tmp_path):
    write_export(tmp_path / "in", document("d1", "p1"), name="Patient.ndjson")
    write_export(tmp_path / "in", patient("p1"), condition("c1", "p1"), name="zzz.txt")
    assert read(tmp_path / "in") == ({"DocumentReference/d1", "Patient/p1", "Condition/c1"}, set())


def test_a_record_has_its_text_patient_and_place(tmp_path):
    folder = write_export(tmp_path / "in", patient("p1"), document("d1", "p1", "Seen well."))
    (record,) = [r for r in source_of(folder).records() if isinstance(r, RawRecord) and r.text]
    assert (record.text, record.patient_id, record.file, record.line) == ("Seen well.", "p1", "everything.ndjson", 2)
    assert record.body["resourceType"] == record.kind == "DocumentReference"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"resourceType": "Condition", "id": "c1", "code": {"cod', "not JSON"),
        (b"[1, 2]", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"resourceType": "Condition", "x": NaN}', "not JSON"),
        (b'{"resourceType": "Patient", "id": "p1", "id": "p7"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ({"id": "x"}, "not FHIR"),
        ({"resourceType": ["Patient"], "id": "x"}, "not FHIR"),
        ({"resourceType": "Spaceship", "id": "x"}, "unknown resource type"),
        ({"resourceType": "Condition", "subject": {"reference": "Patient/p1"}}, "no id"),
        ({**condition("c1", "p1"), "subject": None}, "no subject"),
        ({**condition("c1", "p1"), "subject": {"reference": "Group/p1"}}, "no subject"),
        ({**condition("c1", "p1"), "subject": {"identifier": {"value": "7"}}}, "no subject"),
        ({**condition("c1", "p1"), "patient": {"reference": "Patient/p2"}}, "several patients"),
        (condition("c1", "p9"), "unknown patient"),
        ({**document("d1", "p1"), "content": []}, "no text"),
        ({**document("d1", "p1"), "content": [{"attachment": {"url": "Binary/1"}}]}, "no text"),
        ({**document("d1", "p1"), "content": [{"attachment": {"data": "no base64!"}}]}, "not base64"),
        (
            {
                **document("d1", "p1"),
                "content": document("d1", "p1")["content"] + [{"attachment": {"data": "no base64!"}}],
            },
            "not base64",
        ),
        (document("d1", "p1", "   "), "empty note"),
        (document("d1", "p1", "x" * 5_000_000), "note too large"),
        (document("d1", "p1", content_type="text/plain; charset=klingon"), "unknown charset"),
        (document("d1", "p1", content_type="application/pdf"), "not text"),
        ({"resourceType": "Bundle", "entry": [{"response": {"status": "200"}}]}, "not FHIR"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_rest_is_read(tmp_path, line, kind):
    write_export(tmp_path / "in", patient("p1"), line, condition("c2", "p1"))
    assert read(tmp_path / "in") == ({"Patient/p1", "Condition/c2"}, {(2, kind)})
    (problem,) = [p for p in source_of(tmp_path / "in").records() if isinstance(p, Problem)]
    assert problem.file == "everything.ndjson"
    assert CANARY not in problem.message


@pytest.mark.parametrize(
    ("kind", "holder"),
    [("Condition", "subject"), ("AllergyIntolerance", "patient"), ("Coverage", "beneficiary"), ("Device", "patient")],
)
@pytest.mark.parametrize("reference", ["Patient/p1", "https://fhir.example.org/r4/Patient/p1", "Patient/p1/_history/2"])
def test_every_way_to_name_a_patient(tmp_path, kind, holder, reference):
    resource = {"resourceType": kind, "id": "x", holder: {"reference": reference}}
    folder = write_export(tmp_path / "in", patient("p1"), resource)
    assert [r.patient_id for r in source_of(folder).records()] == ["p1", "p1"]


def test_an_appointment_belongs_to_the_patient_who_comes(tmp_path):
    actors = [{"actor": {"reference": "Practitioner/x"}}, {"actor": {"reference": "Patient/p1"}}]
    folder = write_export(
        tmp_path / "in", patient("p1"), {"resourceType": "Appointment", "id": "a", "participant": actors}
    )
    assert [r.patient_id for r in source_of(folder).records()] == ["p1", "p1"]


@pytest.mark.parametrize(
    "kind", ["Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Device"]
)
def test_what_belongs_to_nobody_is_a_record_of_nobody(tmp_path, kind):
    folder = write_export(tmp_path / "in", {"resourceType": kind, "id": "x"})
    assert [r.patient_id for r in source_of(folder).records()] == [""]


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
    again = patient("p1", meta={"versionId": "2"})
    write_export(tmp_path / "in", patient("p1"), again, document("d1", "p1"))
    assert read(tmp_path / "in") == ({"Patient/p1", "DocumentReference/d1"}, {(2, "repeated id")})


def test_a_repeated_document_is_read_once(tmp_path):
    write_export(tmp_path / "in", patient("p1"), document("d1", "p1"), document("d1", "p1", "another text"))
    assert read(tmp_path / "in")[1] == {(3, "repeated id")}


def test_attachments_of_every_kind_become_plain_text_and_a_note_in_two_formats_counts_once(tmp_path):
    one = document("d1", "p1", "Seen well.")
    one["content"] += document("x", "p1", "<b>Seen</b> well.", "text/html")["content"]
    one["content"] += document("x", "p1", b"%PDF", "application/pdf")["content"]
    report = {"resourceType": "DiagnosticReport", "id": "r1", "subject": {"reference": "Patient/p1"}}
    report["presentedForm"] = [document("x", "p1", rb"{\rtf1 Benign.}", "text/rtf")["content"][0]["attachment"]]
    folder = write_export(tmp_path / "in", patient("p1"), one, report)
    _, note, rest = source_of(folder).records()
    assert (note.text, rest.text.strip()) == ("Seen well.", "Benign.")
    assert [attached_text(c["attachment"]) for c in note.body["content"]] == ["Seen well.", "Seen well.", ""]
    assert base64.b64decode(note.body["content"][2]["attachment"]["data"]) == b"%PDF"


def test_a_file_without_any_fhir_is_one_problem(tmp_path):
    write_export(tmp_path / "in", patient("p1"))
    write_export(tmp_path / "in", {"id": "x"}, {"id": "y"}, name="gold.jsonl")
    assert read(tmp_path / "in") == ({"Patient/p1"}, {(1, "not FHIR")})


def test_a_patient_is_read_again_from_its_place(tmp_path):
    folder = write_export(tmp_path / "in", condition("c1", "p2"), patient("p1"), patient("p2", "Berg"))
    whole = bundle({"resource": patient("p3", "Moe")}, {"resource": patient("p4", "Lind")})
    source = source_of(
        pretty(write_export(folder, whole, name="line.ndjson"), bundle({"resource": patient("p5", "Dahl")}))
    )
    families = [source.patient(f"p{n}")["name"][0]["family"] for n in (2, 3, 4, 5)]
    assert families == ["Berg", "Moe", "Lind", "Dahl"]


def test_no_file_is_a_clear_error():
    with pytest.raises(InputError, match="no FHIR file"):
        open_fhir([])


def test_a_resource_may_be_written_over_many_lines(tmp_path):
    pretty(tmp_path / "in", patient("p1"), "a.json")
    pretty(tmp_path / "in", condition("c1", "p1"), "b.json")
    assert read(tmp_path / "in") == ({"Patient/p1", "Condition/c1"}, set())


def test_a_broken_document_is_one_problem(tmp_path):
    folder = pretty(tmp_path / "in", condition("c1", "p1"))
    whole = (folder / "one.json").read_text()
    (folder / "one.json").write_text(whole[:-20])
    assert read(folder) == (set(), {(1, "not JSON")})


@pytest.mark.parametrize("write", [pretty, write_export])
@pytest.mark.parametrize("type_", ["transaction", "searchset", "collection", "document"])
def test_a_bundle_goes_in_as_its_resources_with_links_resolved(tmp_path, write, type_):
    who, what = patient("x"), condition("c1", "x")
    del who["id"], what["id"]
    what["subject"] = {"reference": "urn:uuid:11-22"}
    what["evidence"] = [{"detail": [{"reference": "http://h/fhir/Observation/o7"}]}]
    entries = (
        {"fullUrl": "urn:uuid:11-22", "resource": who},
        {"fullUrl": "urn:uuid:33-44", "resource": what},
        {
            "fullUrl": "http://h/fhir/Observation/o7",
            "resource": {"resourceType": "Observation", "subject": what["subject"]},
        },
    )
    records = list(source_of(write(tmp_path / "in", bundle(*entries, type_=type_))).records())
    assert [(r.kind, r.record_id, r.patient_id) for r in records] == [
        ("Patient", "11-22", "11-22"),
        ("Condition", "33-44", "11-22"),
        ("Observation", "o7", "11-22"),
    ]
    assert records[1].body["subject"] == {"reference": "Patient/11-22"}
    assert records[1].body["evidence"] == [{"detail": [{"reference": "Observation/o7"}]}]


def test_a_bad_entry_stops_no_other_and_is_named_by_its_number(tmp_path):
    inner = bundle({"resource": condition("c1", "p1")})
    deep = condition("c9", "p1")
    for _ in range(400):
        deep = {"x": [deep]}
    folder = write_export(
        tmp_path / "in",
        bundle({"resource": patient("p1")}, {"resource": [5]}, {"request": {}}, {"resource": inner}),
        {"resourceType": "Bundle", "entry": "none"},
        bundle({"resource": deep}),
    )
    found = list(source_of(folder).records())
    assert [type(item) for item in found] == [RawRecord, Problem, Problem, RawRecord, Problem]
    assert [p.message[:8] for p in found if isinstance(p, Problem)] == ["entry 2 ", "entry 3 ", "entry 1 "]


def test_all_people_are_named_also_those_within_other_resources(tmp_path):
    nurse = {"resourceType": "Practitioner", "id": "x", "name": [{"family": "Ek"}]}
    mother = {"resourceType": "RelatedPerson", "id": "m", "patient": {"reference": "Patient/p1"}}
    folder = write_export(tmp_path / "in", patient("p1"), {**condition("c1", "p1"), "contained": [nurse]})
    write_export(folder, bundle({"resource": mother}, {"resource": {"resourceType": "Location", "id": "l"}}), name="b")
    assert sorted(p["resourceType"] for p in source_of(folder).people()) == ["Patient", "Practitioner", "RelatedPerson"]


def test_one_value_longer_than_memory_should_hold_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(fhir, "LONGEST_LINE", 1000)
    write_export(tmp_path / "in", patient("p1"), document("d1", "p1", "x" * 2000), condition("c1", "p1"))
    pretty(tmp_path / "in", document("d2", "p1", "x" * 2000), "zz.json")
    assert read(tmp_path / "in") == ({"Patient/p1", "Condition/c1"}, {(2, "too long"), (1, "too long")})


def test_memory_does_not_grow_with_the_export(tmp_path):
    notes = (document(f"d{i}", "p1", "word " * 4000) for i in range(400))
    folder = write_export(tmp_path / "in", patient("p1"), *notes)
    assert (folder / "everything.ndjson").stat().st_size > 10_000_000
    tracemalloc.start()
    assert sum(1 for _ in source_of(folder).records()) == 401
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
