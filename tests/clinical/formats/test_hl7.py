import base64
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.formats.hl7 import open_hl7
from clinical.formats.source import Problem
from privacy.identity import master_id
from privacy.records import Format, RawRecord


def oru(control="M1", mrn="MRN77881", text="Feels well", name="Quill^Jane^M", birth="19500203", charset=""):
    return "\r".join(
        [
            f"MSH|^~\\&|LAB|NORTH|||20230405||ORU^R01|{control}|P|2.5.1||||||{charset}",
            f"PID|1|OLD5551|{mrn}^^^N^MR~900^^^N^AN||{name}|Bloom|{birth}|F|Janie^Q||12 Elm St^^Salem^MA^01970"
            "||555-2017788~^NET^Internet^jane@quill.org|||||ACC9911|123-45-6789|S99^MA",
            "PD1||||77^Bell^Ann",
            "NK1|1|Stone^Rose|SIS|9 Oak Rd^^Lynn^MA|555-3331122",
            f"PV1|1|I|WARD7||||1234^Grey^Meredith{'|' * 12}V5001",
            f"OBX|1|TX|C^Consult||{text}",
            "NTE|1||Call back",
        ]
    )


def opened(tmp_path, data, name="feed"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return open_hl7((path,))


def split(source):
    items = list(source.records())
    return [i for i in items if isinstance(i, RawRecord)], [i for i in items if isinstance(i, Problem)]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_many_messages_with_any_line_ends(tmp_path, end):
    data = (oru("M1") + "\r" + oru("M2", mrn="B2") + "\r").replace("\r", end)
    records, problems = split(opened(tmp_path, data))
    assert not problems
    assert [(r.format, r.kind, r.patient_id, r.record_id, r.line) for r in records] == [
        (Format.HL7, "Message", "hl7:MRN77881", "M1", 1),
        (Format.HL7, "Message", "hl7:B2", "M2", 8),
    ]
    assert records[0].text == "Feels well\nCall back"
    assert records[0].body == oru("M1")


def test_mllp_frames_and_batch_envelopes(tmp_path):
    framed = b"".join(b"\x0b" + oru(f"M{i}").encode() + b"\r\x1c\r" for i in range(3))
    assert [r.record_id for r in split(opened(tmp_path, framed))[0]] == ["M0", "M1", "M2"]
    batch = "FHS|^~\\&|A\rBHS|^~\\&|A\r" + oru("M1") + "\r" + oru("M2") + "\rBTS|2\rFTS|1\r"
    records, problems = split(opened(tmp_path, batch))
    assert [r.record_id for r in records] == ["M1", "M2"]
    assert not problems


def test_a_frame_that_does_not_end_is_left_out_and_the_rest_goes_on(tmp_path):
    data = b"\x0b" + oru("M1").encode() + b"\r\x0b" + oru("M2").encode() + b"\x1c\r\x0b" + oru("M3").encode()
    records, problems = split(opened(tmp_path, data))
    assert [r.record_id for r in records] == ["M2"]
    assert [p.kind for p in problems] == ["cut short", "cut short"]


BROKEN = {
    "no MSH": "PID|1||55",
    "wrong separators": oru().replace("^~\\&", "||||"),
    "broken segment": oru() + "\rand so on",
    "no patient": oru(mrn="").replace("~900^^^N^AN", ""),
    "no id": oru(control=""),
    "unknown charset": oru(charset="KLINGON"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_used_is_a_problem_with_its_line(tmp_path, kind):
    records, problems = split(opened(tmp_path, BROKEN[kind] + "\r" + oru("M9") + "\r"))
    assert [p.kind for p in problems] == [kind]
    assert (problems[0].file, problems[0].line) == ("feed", 1)
    assert "Quill" not in problems[0].message
    assert [r.record_id for r in records] == ["M9"]


def test_two_patients_in_one_message_are_nobodys(tmp_path):
    _, problems = split(opened(tmp_path, oru() + "\rPID|2||B2^^^N^MR||Other^Body\r"))
    assert [p.kind for p in problems] == ["no patient"]


def test_charsets(tmp_path):
    latin = oru(name="Núñez^Inés", charset="8859/1").encode("latin-1")
    assert "Núñez" in split(opened(tmp_path, latin))[0][0].body
    undeclared = oru(name="Núñez^Inés").encode("latin-1")
    assert [p.kind for p in split(opened(tmp_path, undeclared))[1]] == ["unknown charset"]


def test_a_control_id_that_comes_again_gets_a_number(tmp_path):
    assert [r.record_id for r in split(opened(tmp_path, oru() + "\r" + oru()))[0]] == ["M1", "M1#2"]


def encapsulated(data, subtype="PLAIN", encoding="Base64"):
    return oru() + f"\rOBX|2|ED|R^Report||EHR^TEXT^{subtype}^{encoding}^{data}"


def test_encapsulated_text_is_text(tmp_path):
    data = encapsulated(base64.b64encode(b"Line one\nfor Jane").decode())
    (record,), _ = split(opened(tmp_path, data))
    assert record.text.endswith("Call back\nLine one\nfor Jane")
    rtf = encapsulated(base64.b64encode(rb"{\rtf1 Jane in \b bold\b0}").decode(), "RTF")
    assert split(opened(tmp_path, rtf))[0][0].text.endswith("Jane in bold")
    pdf = encapsulated(base64.b64encode(b"%PDF").decode(), "PDF")
    assert split(opened(tmp_path, pdf))[0][0].text == "Feels well\nCall back"
    assert [p.kind for p in split(opened(tmp_path, encapsulated("not base64!")))[1]] == ["not base64"]


def test_what_is_known_of_a_patient(tmp_path):
    later = oru("M2", name="Stone^Jane")
    source = opened(tmp_path, oru() + "\r" + later)
    patient = source.patient("hl7:MRN77881")
    assert patient["name"] == [
        {"family": "Quill", "given": ["Jane", "M"]},
        {"family": "Janie", "given": ["Q"]},
        {"family": "Stone", "given": ["Jane"]},
    ]
    numbers = {
        (i.get("type") or {"coding": [{"code": ""}]})["coding"][0]["code"]: i["value"] for i in patient["identifier"]
    }
    assert numbers == {
        "MR": "MRN77881",
        "AN": "ACC9911",
        "": "OLD5551",
        "SS": "123-45-6789",
        "DL": "S99",
        "VN": "V5001",
    }
    assert patient["birthDate"] == "1950-02-03"
    assert patient["gender"] == "female"
    assert patient["address"] == [{"line": ["12 Elm St"], "city": "Salem", "state": "MA", "postalCode": "01970"}]
    assert {(t["system"], t["value"]) for t in patient["telecom"]} == {
        ("phone", "555-2017788"),
        ("email", "jane@quill.org"),
    }
    assert [c["name"] for c in patient["contact"]] == [{"family": "Bloom"}, {"family": "Stone", "given": ["Rose"]}]
    assert patient["generalPractitioner"] == [{"display": "Ann Bell"}, {"display": "Meredith Grey"}]
    assert master_id(patient, "hl7:MRN77881") == ("identifier", "MRN77881")


def test_a_number_without_a_type_is_the_record_number(tmp_path):
    source = opened(tmp_path, "MSH|^~\\&|A||||||ADT^A01|1|P|2.3\rPID|||778812||Quill^Jane")
    assert master_id(source.patient("hl7:778812"), "") == ("identifier", "778812")


def test_people_are_patients_relatives_and_staff(tmp_path):
    people = list(opened(tmp_path, oru() + "\r" + oru("M2", birth="19600101")).people())
    named = [(p["resourceType"], p["name"][0]["family"]) for p in people]
    # Two dates of birth are two persons, for the job to see.
    assert named == [
        ("Patient", "Quill"),
        ("Patient", "Quill"),
        ("RelatedPerson", "Stone"),
        ("Practitioner", "Bell"),
        ("Practitioner", "Grey"),
    ]
    assert [p["birthDate"] for p in people[:2]] == ["1950-02-03", "1960-01-01"]
    assert people[4]["identifier"] == [{"value": "1234"}]


PIECES = [
    *(b"MSH|^~\\&|", b"PID|1||5^^^^MR", b"OBX|1|TX|c||", b"BHS|", b"\r", b"\n", b"\x0b", b"\x1c", b"a", b"\xff", b"|"),
    *(b"^", b"\\", b"\xef\xbb\xbf", oru().encode()),
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(PIECES)))
def test_no_bytes_stop_the_reader(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("any") / Path("feed")
    path.write_bytes(b"".join(pieces))
    source = open_hl7((path,))
    for item in source.records():
        if isinstance(item, RawRecord):
            assert source.patient(item.patient_id)["identifier"]
    list(source.people())
