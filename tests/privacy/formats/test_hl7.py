import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.formats.er7 import parse_message
from privacy.formats.hl7 import deidentify_message, hl7_table, note_of
from tests.privacy.subjects import KnownSubject

KNOWN = ("Jane Quill", "Quill", "Jane", "MRN77881", "Elm Street")
ORU = "\r".join(
    [
        "MSH|^~\\&|LAB|NORTH HOSPITAL|EHR|NORTH|20230405101112||ORU^R01^ORU_R01|MSG0001|P|2.5.1||||||8859/1",
        "PID|1||MRN77881^^^NORTH^MR~123-45-6789^^^SSA^SS||Quill^Jane^M||19290203|F|Jenny^Q|2106-3^White^HL70005"
        "|12 Elm Street^^Salem^MA^01970^USA||(555)201-7788^PRN^PH||EN|M||ACC9911|123-45-6789",
        "ZPI|1|Quill",
        "PV1|1|I|WARD7^12^A^NORTH|E|||1234^Grey^Meredith|||MED||||1|||1234^Grey^Meredith|IP|V5001|||||||||||||||||01"
        "||||||||20230401|20230405120000-0500",
        "OBR|1|ORD1^EHR|FIL1^LAB|718-7^Hemoglobin^LN|||202304050900",
        "OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|12.0 - 16.0|N|||F|||20230405",
        "OBX|2|TX|11488-4^Consult note^LN||Seen with her sister. Jane||||||F",
        "OBX|3|TX|11488-4^Consult note^LN||Quill feels better.\\.br\\Home soon.||||||F",
        "OBX|4|NM|30525-0^Age^LN||94|a",
        "OBX|5|ED|PDF^Report||EHR^AP^PDF^Base64^JVBERi0x",
        "OBX|6|RP|IMG^Image||http://pacs/quill.dcm",
        "NTE|1||Call Jane at home",
    ]
)


@pytest.fixture
def result():
    return deidentify_message(ORU, KnownSubject(KNOWN))


def segments(output, name):
    """The fields of each segment of this name, with the empty ones that its end leaves out."""
    return [(line + "|" * 60).split("|")[:60] for line in output.split("\r") if line.startswith(name)]


def test_fields_fall_under_the_rules_of_the_table(result):
    output, _ = result
    (pid,) = segments(output, "PID")
    assert re.fullmatch(r"[0-9a-f]{32}\^\^\^\^MR~[0-9a-f]{32}\^\^\^\^SS", pid[3])
    assert (pid[5], pid[6], pid[7], pid[8], pid[9]) == ("", "", "1935", "F", "")
    assert pid[10] == "2106-3^White^HL70005"
    assert pid[11] == "^^^MA^019^USA"
    assert pid[13] == ""
    assert not any(pid[19:])
    (pv1,) = segments(output, "PV1")
    assert re.fullmatch(r"[0-9a-f]{32}", pv1[3])
    assert re.fullmatch(r"[0-9a-f]{32}", pv1[7])
    assert (pv1[10], pv1[44], pv1[45]) == ("MED", "2023", "2023")


def test_observations_fall_under_the_rule_of_their_type(result):
    values = {obx[1]: obx[5] for obx in segments(result[0], "OBX")}
    assert values == {
        "1": "13.5",
        "2": "Seen with her sister. [X]",
        "3": " feels better.\\.br\\Home soon.",
        "4": "90",
        "5": "",
        "6": "",
    }
    assert segments(result[0], "OBX")[0][6:9] == ["g/dL", "12.0-16.0", "N"]
    assert segments(result[0], "NTE")[0][3] == "Call [X] at home"


def test_what_no_rule_lets_through_is_dropped_and_counted(result):
    output, dropped = result
    assert "ZPI" not in output
    # ZPI; PID-5, -9, -13, -19; OBX-5 of PDF and of the pointer
    assert dropped == 7
    assert deidentify_message("MSH|^~\\&|A\rPID|1\rZZZ|x\rZZZ|y", KnownSubject(()))[1] == 2


def test_nothing_known_is_left_and_the_output_parses(result):
    output, _ = result
    for value in (*KNOWN, "Grey", "NORTH", "MSG0001", "123-45-6789", "ACC9911", "V5001", "ORD1", "Salem", "0405"):
        assert value.lower() not in output.lower()
    assert [s.name for s in parse_message(output).segments].count("OBX") == 6
    assert parse_message(output).segments[0].field(18) == "UNICODE UTF-8"


def test_a_name_over_two_lines_is_read_as_one_text():
    subject = KnownSubject(("Jane Quill",))
    deidentify_message(ORU, subject)
    assert "Seen with her sister. Jane\nQuill feels better.\nHome soon." in subject.texts


def test_lines_that_no_longer_match_stand_in_the_first():
    class Joins(KnownSubject):
        def text(self, value, tagged=True):
            return value.replace("Jane\nQuill", "[X]")

    output, _ = deidentify_message(ORU, Joins(()))
    values = [obx[5] for obx in segments(output, "OBX")]
    assert values[1:3] == ["Seen with her sister. [X] feels better.\\.br\\Home soon.", ""]


def test_made_up_values_stand_where_the_real_ones_stood():
    output, _ = deidentify_message(ORU, KnownSubject(KNOWN, made_up=True))
    (pid,), (pv1,) = segments(output, "PID"), segments(output, "PV1")
    assert (pid[5], pid[13]) == ("Madeup^Max", "555-0100")
    assert re.fullmatch(r"[0-9a-f]{32}\^Madeup\^Max", pv1[7])


def test_whole_dates_keep_their_time_and_cut_ones_lose_it():
    class Shifts(KnownSubject):
        def date(self, value):
            return "2023-05-07" if len(value) == 10 else value

    output, _ = deidentify_message(ORU, Shifts(KNOWN))
    assert segments(output, "PV1")[0][45] == "20230507120000-0500"
    assert segments(output, "PV1")[0][44] == "20230507"


@pytest.mark.parametrize("value", ["20231399", "2023-04-05", "yesterday", "20230405 Quill", "1"])
def test_what_is_no_date_is_dropped(value):
    message = f"MSH|^~\\&|A\rPV1|1|I{'|' * 42}{value}"
    assert deidentify_message(message, KnownSubject(()))[1] == 1


@pytest.mark.parametrize("value", ["Quill", "see Quill", "QUILL-1", "x" * 25])
def test_a_coded_field_holds_codes_and_nobodys_name(value):
    output, dropped = deidentify_message(f"MSH|^~\\&|A\rPID|1|||||||{value}", KnownSubject(KNOWN))
    assert (segments(output, "PID")[0][8], dropped) == ("", 1)


@pytest.mark.parametrize(
    ("unit", "kept"), [("a", "90"), ("Yrs", "90"), ("yo", "90"), ("mo", "93"), ("d", "93"), ("g/dL", "93"), ("", "93")]
)
def test_years_that_any_observation_counts_may_be_an_age(unit, kept):
    output, _ = deidentify_message(f"MSH|^~\\&|A\rOBX|1|NM|LOC1^Onset||93|{unit}", KnownSubject(()))
    assert segments(output, "OBX")[0][5] == kept


def test_the_note_is_the_texts_and_comments_in_order():
    assert note_of(parse_message(ORU)) == (
        "Seen with her sister. Jane\nQuill feels better.\nHome soon.\nCall Jane at home"
    )


def test_every_rule_of_the_table_is_known():
    message = "MSH|^~\\&|A"
    for name, fields in hl7_table()["segments"].items():
        message += f"\r{name}|" + "|".join(["20200101"] * max(map(int, fields))) if name != "MSH" else ""
    for kind in hl7_table()["values"]:
        message += f"\rOBX|1|{kind}|c||20200101"
    output, _ = deidentify_message(message, KnownSubject(()))
    assert "20200101" not in output.replace("^", "|").split("|")[0]
    parse_message(output)


NAMES = st.from_regex(r"[A-Z][a-z]{4,9}", fullmatch=True)
NUMBERS = st.from_regex(r"[A-Z]{2}[0-9]{6}", fullmatch=True)
JUNK = st.text(alphabet='ab1^~&\\ .|"%é\x0b\u200d', max_size=8)


@st.composite
def messages(draw):
    """A message of known and unknown segments with the patient's name and number anywhere in it."""
    name, number = draw(NAMES), draw(NUMBERS)
    types = st.sampled_from(["TX", "ST", "NM", "CE", "CWE", "ED", "CX", "XPN", "DT", "20200101", "F"])
    known = st.sampled_from([name, number, f"{name}^{number}", f"{number}&{name}"])
    piece = st.one_of(known, types, JUNK)
    kinds = st.sampled_from([*hl7_table()["segments"], "ZZZ", "MRG"])
    lines = [
        "|".join([draw(kinds), *("".join(draw(st.lists(piece, max_size=2))) for _ in range(draw(st.integers(0, 20))))])
        for _ in range(draw(st.integers(0, 6)))
    ]
    lines = [line for line in lines if not line.startswith("MSH")]
    return name, number, "\r".join(["MSH|^~\\&|LAB|A|||20200101||ORU^R01|1|P|2.5", *lines])


@settings(max_examples=150, deadline=None)
@given(messages())
def test_nothing_known_survives_any_message(case):
    name, number, message = case
    output, _ = deidentify_message(message, KnownSubject((name, number)))
    assert name.lower() not in output.lower()
    assert number.lower() not in output.lower()
    assert parse_message(output).write() == output.rstrip("\r")
