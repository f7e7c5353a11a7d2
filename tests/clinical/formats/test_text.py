import pytest

from clinical.formats.source import Problem
from clinical.formats.table import open_table
from clinical.formats.text import open_text, read_note
from privacy.identity import master_id


def written(tmp_path, **files):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return tuple(tmp_path / name for name in files)


@pytest.mark.parametrize(
    "data",
    [
        "Núñez is well",
        "\ufeffNúñez is well",
        "Núñez is well".encode("utf-16"),
        rb"{\rtf1\ansi N\'fa\'f1ez is well}",
        "<!DOCTYPE html><html><body><p>Núñez is well</p></body></html>",
        "<div>N&uacute;&ntilde;ez is well</div>",
    ],
)
def test_text_of_every_kind(tmp_path, data):
    (path,) = written(tmp_path, note=data)
    assert read_note(path).strip() == "Núñez is well"


def test_whose_note_it_is_stands_in_a_table(tmp_path):
    paths = written(tmp_path, one="Seen.", two="Seen again.", three="Of nobody.", four="Of two.")
    (index,) = written(tmp_path, index="file,mrn,name\nnotes/one,A1,Jane Quill\ntwo,A1,\nfour,A1,\nfour,B2,\n")
    items = list(open_text(paths, tables=open_table((index,))).records())
    assert [(i.patient_id, i.record_id, i.text) for i in items[:2]] == [
        ("mrn:A1", "one", "Seen."),
        ("mrn:A1", "two", "Seen again."),
    ]
    assert [i.kind for i in items[2:]] == ["no patient", "several patients"]
    assert open_text(paths, tables=open_table((index,))).patient("mrn:A1")["name"][0]["family"] == "Quill"


def test_or_the_whole_source_is_one_patients(tmp_path):
    paths = written(tmp_path, one="Seen.")
    source = open_text(paths, patient="A1")
    (record,) = source.records()
    assert record.patient_id == "mrn:A1"
    assert master_id(source.patient("mrn:A1"), "") == ("identifier", "A1")
    assert [p["id"] for p in source.people()] == ["mrn:A1"]


def test_a_note_of_nobody_is_never_passed_on(tmp_path):
    (problem,) = open_text(written(tmp_path, one="Jane Quill was seen.")).records()
    assert isinstance(problem, Problem)
    assert problem.kind == "no patient"
    assert "--patient" in problem.message


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"caf\xe9", "unknown charset"),
        ("x" * 101, "note too large"),
        (" \n", "empty note"),
        (b"{\\rtf1 \\u9999999999", "broken RTF"),
    ],
)
def test_what_cannot_be_read_is_a_problem(tmp_path, data, kind):
    (problem,) = open_text(written(tmp_path, one=data), patient="A1", largest_note=100).records()
    assert problem.kind == kind
