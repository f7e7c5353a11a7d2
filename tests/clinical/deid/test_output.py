import json

from clinical.deid.output import DOCUMENTS, Output
from privacy.records import DeidentifiedRecord, Format

CODE, RANDOM = "a" * 32, "b" * 32


def record(format, kind, body, text=""):
    return DeidentifiedRecord(format, kind, CODE, CODE, body, text, {}, 0)


def test_each_format_has_its_files(tmp_path):
    with Output(tmp_path, {}) as output:
        output.write(record(Format.FHIR, "Patient", {"id": CODE}), 1, {})
        output.write(record(Format.HL7, "Message", "MSH|^~\\&\rPID|1\r"), 2, {})
        output.write(record(Format.CSV, "Row", {"id": CODE, "note": 'two\n"lines", one cell'}), 3, {})
        output.write(record(Format.TEXT, "Document", "seen by [NAME]"), 4, {})
        assert output.sync() == {path.name: path.stat().st_size for path in tmp_path.iterdir() if path.suffix != ".txt"}
    assert json.loads((tmp_path / "Patient.ndjson").read_bytes()) == {"id": CODE}
    assert (tmp_path / "messages.hl7").read_bytes() == b"MSH|^~\\&\rPID|1\r\n"
    assert (tmp_path / "table-0003.csv").read_text() == f'id,note\n{CODE},"two\n""lines"", one cell"\n'
    assert (tmp_path / f"{CODE}.txt").read_text() == "seen by [NAME]"
    assert json.loads((tmp_path / DOCUMENTS).read_bytes())["file"] == f"{CODE}.txt"


def test_random_codes_take_the_place_of_keyed_ones_in_names_of_files_too(tmp_path):
    with Output(tmp_path, {}) as output:
        output.write(record(Format.FHIR, "Patient", {"id": CODE}), 1, {CODE: RANDOM})
        output.write(record(Format.TEXT, "Document", "x"), 1, {CODE: RANDOM})
    assert {path.name for path in tmp_path.iterdir()} == {"Patient.ndjson", DOCUMENTS, f"{RANDOM}.txt"}
    assert all(CODE.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_what_an_earlier_run_left_half_is_cut_off(tmp_path):
    (tmp_path / "Patient.ndjson").write_bytes(b"{}\n{half")
    with Output(tmp_path, {"Patient.ndjson": 3}) as output:
        output.write(record(Format.FHIR, "Patient", {"id": CODE}), 1, {})
    assert (tmp_path / "Patient.ndjson").read_bytes() == b'{}\n{"id":"' + CODE.encode() + b'"}\n'
