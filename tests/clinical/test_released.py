"""Every note of an output is found, and found again."""

from __future__ import annotations

import json

from clinical.released import note_at, released_notes
from tests.clinical.outputs import document


def test_notes_of_every_format_are_read_and_read_again(tmp_path):
    (tmp_path / "DocumentReference.ndjson").write_text(
        "\n".join(json.dumps(document(n, text)) for n, text in enumerate(["First.", "  ", "Núñez?"])) + "\n"
    )
    report = {"resourceType": "DiagnosticReport", "presentedForm": [{"contentType": "text/plain", "data": "TG9uZy4="}]}
    (tmp_path / "DiagnosticReport.ndjson").write_text(json.dumps(report) + "\n")
    (tmp_path / "Patient.ndjson").write_text('{"resourceType": "Patient", "id": "a"}\n')
    (tmp_path / "documents.ndjson").write_text('{"file": "x.txt", "record": "x"}\n')
    (tmp_path / "x.txt").write_text("A text.\n")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "messages.hl7").write_bytes(b"MSH|^~\\&|||||||ORU^R01\rOBX|1|TX|||Seen.\r\nMSH|^~\\&|||||||ADT^A01\r\n")
    (tmp_path / "table-0001.csv").write_text('a,b\n1,"two\nlines"\n3,\n')
    notes = list(released_notes(tmp_path))
    assert [(n.file, n.kind, n.text) for n in notes] == [
        ("DiagnosticReport.ndjson", "DiagnosticReport", "Long."),
        ("DocumentReference.ndjson", "progress", "First."),
        ("DocumentReference.ndjson", "progress", "Núñez?"),
        ("messages.hl7", "ORU^R01", "MSH|^~\\&|||||||ORU^R01\nOBX|1|TX|||Seen."),
        ("messages.hl7", "ADT^A01", "MSH|^~\\&|||||||ADT^A01"),
        ("table-0001.csv", "row", "a: 1\nb: two\nlines"),
        ("table-0001.csv", "row", "a: 3"),
        ("x.txt", "text", "A text.\n"),
    ]
    assert all(note_at(tmp_path, note.file, note.offset) == note for note in notes)
    assert "First" not in repr(notes)
