import json

import pytest

from clinical.formats.detect import kind_of, open_source
from clinical.formats.source import Problem
from policies.errors import InputError
from privacy.formats.columns import ColumnRules
from privacy.records import Format, RawRecord

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": "A-1"}],
    "name": [{"family": "Quill", "given": ["Jane"]}],
}
HL7 = "MSH|^~\\&|LAB|N|||2023||ORU^R01|M1|P|2.5\rPID|1||A1^^^N^MR\rOBX|1|TX|C||Seen"
CSV = "mrn,note,phone\nA1,Well,555-2017788\n"
TEXT = "Discharge summary\n\nSeen, well."


def written(tmp_path, **files):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (json.dumps(PATIENT), Format.FHIR),
        (json.dumps({"resourceType": "Bundle"}, indent=2), Format.FHIR),
        ("\ufeff" + json.dumps(PATIENT), Format.FHIR),
        ("cut short}\n" + json.dumps(PATIENT), Format.FHIR),
        (HL7, Format.HL7),
        ("\x0b" + HL7, Format.HL7),
        ("BHS|^~\\&|A\r" + HL7, Format.HL7),
        ("MSH#*!%@#LAB", Format.HL7),
        ("PID|1||A1", Format.HL7),
        (HL7.encode("utf-16"), Format.HL7),
        (CSV, Format.CSV),
        (CSV.replace(",", "\t").encode("utf-16"), Format.CSV),
        ("mrn;note\n1;Núñez\n".encode("cp1252"), Format.CSV),
        ("mrn,note\n1,é" + "é" * 40_000, Format.CSV),
        (TEXT, Format.TEXT),
        ("[doctor] How are you, Jane?\n[patient] Well, thanks.\n", Format.TEXT),
        ("{brackets} in a note", Format.TEXT),
        ("{\\rtf1 Seen}", Format.TEXT),
        ("<html><body>Seen</body></html>", Format.TEXT),
        (TEXT.encode("utf-16"), Format.TEXT),
    ],
)
def test_the_format_is_told_by_the_content(tmp_path, data, kind):
    written(tmp_path, **{"x.bin": data})
    assert kind_of(tmp_path / "x.bin", ColumnRules()) is kind


@pytest.mark.parametrize(
    ("data", "kind", "word"),
    [
        (b"", "empty file", "empty"),
        (b" \r\n", "empty file", "empty"),
        (b"%PDF-1.7", "unknown format", "PDF"),
        (b"PK\x03\x04word", "unknown format", "DOCX"),
        (b"\x89PNG\r\n", "unknown format", "PNG"),
        (b"\x00\x01\x02", "unknown format", "binary"),
        (b"<?xml version='1.0'?><ClinicalDocument/>", "unknown format", "XML"),
    ],
)
def test_what_cannot_be_read_is_a_problem_that_says_so(tmp_path, data, kind, word):
    folder = written(tmp_path, odd=data, good=HL7)
    problems = [i for i in open_source(folder).records() if isinstance(i, Problem)]
    assert [(p.file, p.kind) for p in problems] == [("odd", kind)]
    assert word in problems[0].message


def test_a_folder_of_all_formats_is_one_source(tmp_path):
    folder = written(tmp_path, a=json.dumps(PATIENT), b=HL7, c=CSV, d="file,mrn\ne,A1\n", e=TEXT, **{".hidden": "x"})
    (folder / "inner").mkdir()
    source = open_source(folder)
    items = list(source.records())
    assert [path.name for path in source.paths] == ["a", "b", "c", "d", "e"]
    assert [(i.format, i.patient_id) for i in items if isinstance(i, RawRecord)] == [
        (Format.FHIR, "p1"),
        (Format.HL7, "hl7:A1"),
        (Format.CSV, "mrn:A1"),
        (Format.CSV, "mrn:A1"),
        (Format.TEXT, "mrn:A1"),
    ]
    assert [(i.file, i.kind) for i in items if isinstance(i, Problem)] == [
        (".hidden", "hidden file"),
        ("inner", "folder"),
    ]


@pytest.mark.parametrize(
    ("table", "kind"),
    [("note,age\nx,3\n", "no patient column"), ("mrn,note,note\nA,x,y\n", "repeated column")],
)
def test_a_table_that_cannot_be_used_is_one_problem_of_a_folder_and_the_rest_goes_on(tmp_path, table, kind):
    source = open_source(written(tmp_path, bad=table, good=CSV))
    items = list(source.records())
    assert [(i.file, i.kind) for i in items if isinstance(i, Problem)] == [("bad", kind)]
    assert [i.patient_id for i in items if isinstance(i, RawRecord)] == ["mrn:A1"]
    assert len(list(source.people())) == 1
    with pytest.raises(InputError, match=r"bad: (no column|column 3)"):
        open_source(tmp_path / "bad")


def test_all_people_are_read_once_to_know_a_patient_by_all_formats(tmp_path, monkeypatch):
    source, reads = open_source(written(tmp_path, a=json.dumps(PATIENT), c=CSV)), []
    people = type(source.parts[0]).people
    monkeypatch.setattr(type(source.parts[0]), "people", lambda part: (reads.append(part), people(part))[1])
    assert len(list(source.people())) == 2
    assert source.patient("p1")["telecom"] and source.patient("mrn:A1")["name"]
    assert len(reads) == 1


def test_a_patient_is_known_by_all_formats(tmp_path):
    source = open_source(written(tmp_path, a=json.dumps(PATIENT), b=HL7, c=CSV))
    for patient_id in ("p1", "hl7:A1", "mrn:A1"):
        patient = source.patient(patient_id)
        assert patient["id"] == patient_id
        assert patient["name"] == [{"family": "Quill", "given": ["Jane"]}]
        assert patient["telecom"] == [{"system": "phone", "value": "555-2017788"}]
    with pytest.raises(KeyError):
        source.patient("hl7:p1")


def test_one_id_in_two_formats_is_not_one_patient(tmp_path):
    other = HL7.replace("A1", "p1")
    source = open_source(written(tmp_path, a=json.dumps(PATIENT), b=other))
    assert "name" not in source.patient("hl7:p1")


def test_one_file_and_one_patients_texts(tmp_path):
    folder = written(tmp_path, note=TEXT)
    (record,) = open_source(folder / "note", patient="A1").records()
    assert (record.format, record.patient_id) == (Format.TEXT, "mrn:A1")


def test_made_up_records_are_not_de_identified_again(tmp_path):
    manifest = {"manifest": {"tool": "confide", "mode": "surrogate"}}
    folder = written(tmp_path, note=TEXT, **{"manifest.json": json.dumps(manifest)})
    for source in (folder, folder / "note"):
        with pytest.raises(InputError, match="surrogate mode"):
            open_source(source, patient="A1")
    manifest["manifest"]["mode"] = "tag"
    written(tmp_path, **{"manifest.json": json.dumps(manifest)})
    assert [path.name for path in open_source(folder, patient="A1").paths] == ["note"]
    manifest["manifest"]["records"] = {"Document": 1}
    written(tmp_path, **{"manifest.json": json.dumps(manifest)})
    with pytest.raises(InputError, match="holds texts"):
        open_source(folder, patient="A1")


def test_a_manifest_of_others_is_a_file_like_any(tmp_path):
    folder = written(tmp_path, note=TEXT, **{"manifest.json": '{"name": "x"}'})
    assert "manifest.json" in [path.name for path in open_source(folder, patient="A1").paths]


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_source(tmp_path / "none")
    with pytest.raises(InputError, match="no files"):
        open_source(tmp_path)
    with pytest.raises(InputError, match="unknown format"):
        open_source(written(tmp_path, odd=b"%PDF"))


def test_rules_of_columns_that_are_not_there_are_an_error_that_says_what_belongs_there(tmp_path):
    with pytest.raises(InputError, match="no such file") as refused:
        open_source(written(tmp_path, good=CSV), columns=tmp_path / "none.toml")
    assert "[columns]" in refused.value.hint
