"""Made-up values: the same everywhere for one patient, and nothing of the original in them."""

from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.text.name_lists import Kind, folded, kind_of, names
from privacy.text.surrogate_codes import MAKERS
from privacy.text.surrogates import Surrogates, is_new, names_taken

SECRET = b"s" * 32
MADE_UP = Surrogates(SECRET, frozenset({"zzz"}))
KEPT = {"and", "hospital", "clinic", "memorial", "medical", "center", "street", "road", "serial", "example", "https"}
# Words as people bear them, of many origins and of none
SOME = ["Mei", "Nguyen", "Okafor", "García", "Núñez", "Larsen", "Robert", "Priya", "O'Neil", "Zaphod", "Xq", "Thomas"]
WORDS = st.one_of(st.sampled_from(SOME), st.from_regex(r"\A[A-Z][a-z]{2,9}\Z"))
LAYOUTS = ["{a} {b}", "{b}, {a}", "Dr. {b}-{a}", "{a}'s", "Ms. {b}", "{A} {B}", "{a} Q. {b}, M.D.", "{a} de la {b}"]
ORIGINALS = {
    "PHONE": r"\A\([0-9]{3}\) [0-9]{3}-[0-9]{4}( ext\. [0-9]{2})?\Z", "FAX": r"\A[0-9]{3}-[0-9]{3}-[0-9]{4}\Z",
    "SSN": r"\A[0-9]{3}-[0-9]{2}-[0-9]{4}\Z", "EMAIL": r"\A[a-z]{1,9}[0-9]{0,2}@[a-z]{3,9}\.com\Z",
    "URL": r"\Ahttps://[a-z]{3,9}\.org/[a-z]{1,5}\Z", "IP": r"\A10\.[1-9][0-9]\.[1-9][0-9]\.[1-9][0-9]\Z",
    "MRN": r"\A(MR)?[0-9]{3}-?[0-9]{4}\Z", "DEVICE": r"\ASerial No\. [A-Z][0-9]{6}\Z", "ACCOUNT": r"\A[0-9]{10}\Z",
    "VEHICLE": r"\A[A-Z]{3} [0-9]{3,4}\Z", "HEALTH_PLAN": r"\AHP-[0-9]{8}\Z", "PHOTO": r"\AIMG_[0-9]{5}\.jpg\Z",
    "LICENSE": r"\A[A-H][0-9]{7}\Z", "BIOMETRIC": r"\AFP-[0-9]{5}-[A-Z]\Z", "ID": r"\A[A-Z][0-9]{2}-[0-9]{6}\Z",
    "ADDRESS": r"\A[1-9][0-9]{0,3} [A-Z][a-z]{3,8} Road, [A-Z][a-z]{3,8}, IL 6[0-9]{4}\Z",
    "HOSPITAL": r"\A[A-Z][a-z]{3,9} Memorial Hospital\Z", "PROFESSION": r"\A[a-z]{4,9}\Z",
}  # fmt: skip
names(kind_of("Smith"))  # read once, before hypothesis looks at the clock


def long_words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{4,}", folded(text))) - KEPT


def layout(text: str) -> str:
    """Titles and particles as they are, names as words, and everything between them."""
    return re.sub(r"(?!(?:Dr|Ms|de|la|M|D|s)\b)[^\W\d_']+(?:'(?!s\b)[^\W\d_]+)?", "x", text)


@given(WORDS, WORDS, st.sampled_from(LAYOUTS), st.sampled_from(["p1", "p2"]))
def test_names_keep_their_layout_and_nothing_else(a: str, b: str, form: str, patient: str) -> None:
    original = form.format(a=a, b=b, A=a.upper(), B=b.upper())
    made_up = MADE_UP.text(patient, "NAME", original)
    assert made_up == MADE_UP.text(patient, "NAME", original)
    assert made_up != original
    assert layout(made_up) == layout(original)
    assert not [w for w in long_words(original) if w in folded(made_up)]
    assert made_up.isupper() == original.isupper()


@pytest.mark.parametrize("category", sorted(ORIGINALS))
@given(data=st.data())
def test_every_category_is_made_up(category: str, data: st.DataObject) -> None:
    original = data.draw(st.from_regex(ORIGINALS[category]))
    made_up = MADE_UP.text("p1", category, original)
    assert made_up == Surrogates(SECRET, frozenset({"zzz"})).text("p1", category, original)
    assert made_up != original
    assert not [w for w in long_words(original) if w in folded(made_up)]


def test_one_person_in_every_form() -> None:
    family, (given_name, middle) = MADE_UP.person("p1", "Nguyen", ["Mei", "Thu"], "female")

    def text(original: str) -> str:
        return MADE_UP.text("p1", "NAME", original, "female")

    assert text("Mei Nguyen") == f"{given_name} {family}"
    assert text("NGUYEN, MEI") == f"{family.upper()}, {given_name.upper()}"
    assert text("Ms. Nguyen") == f"Ms. {family}"
    assert text("Mei's") == f"{given_name}'s"
    assert text("mei thu nguyen") == f"{given_name} {middle} {family}".lower()
    assert text("M. Nguyen") == f"{given_name[0]}. {family}"
    assert MADE_UP.person("p1", "", [], None) == ("", [])


def test_a_person_in_capitals_or_over_the_end_of_a_line_is_the_same() -> None:
    def text(original: str) -> str:
        return MADE_UP.text("p1", "NAME", original)

    assert text("Dr. NG") == text("Dr. Ng").replace(text("Ng"), text("Ng").upper())
    assert text("NG, MEI") == text("Ng, Mei").upper()
    assert text("Dr. Quim-\nby") == text("Dr. Quimby")
    assert len(text("JPM")) == 3  # alone these are initials


def test_another_patient_or_hospital_has_other_names() -> None:
    known = ["Robert", "Larsen", "Priya", "Okafor", "Garcia", "Susan", "Murphy", "Chen"]
    mine = [MADE_UP.text("p1", "NAME", w) for w in known]
    for other in (Surrogates(b"t" * 32), MADE_UP):
        theirs = [other.text("p2", "NAME", w) for w in known]
        assert sum(a == b for a, b in zip(mine, theirs, strict=True)) <= 1
    assert len({MADE_UP.text(f"p{i}", "NAME", "Murphy") for i in range(200)}) > 100
    assert MADE_UP.text("p1", "MRN", "785-2774") != MADE_UP.text("p2", "MRN", "785-2774")
    assert MADE_UP.text("p1", "MRN", "785-2774").replace("-", "") == MADE_UP.text("p1", "MRN", "7852774")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Susan", Kind("given", "female", "english")),
        ("ROBERT", Kind("given", "male", "english")),
        ("Priya", Kind("given", "female", "indian")),
        ("Kwame", Kind("given", "male", "ghanaian")),
        ("Nguyen", Kind("family", None, "vietnamese")),
        ("García", Kind("family", None, "spanish")),
        ("Okafor", Kind("family", None, "nigerian")),
        ("Larsen", Kind("family", None, "nordic")),
        ("Иванов", Kind("family", None, "CYRILLIC")),
    ],
)
def test_gender_and_origin_stay(word: str, kind: Kind) -> None:
    assert kind_of(word) == kind
    for patient in ("p1", "p2", "p3", "p4", "p5"):
        made_up = MADE_UP.text(patient, "NAME", word)
        assert folded(made_up) in {folded(n) for n in names(kind)}
        if kind.gender:
            assert kind_of(made_up).gender == kind.gender


def test_the_patients_gender_decides_where_the_name_does_not() -> None:
    for gender in ("female", "male"):
        for patient in ("p1", "p2", "p3"):
            assert kind_of(MADE_UP.text(patient, "NAME", "Kim", gender)).gender == gender


def test_a_name_that_somebody_bears_is_never_drawn() -> None:
    free = {MADE_UP.text(f"p{i}", "NAME", "Mensah") for i in range(50)}
    taken = frozenset(folded(n) for kind in (kind_of("Mensah"), kind_of("Smith")) for n in names(kind))
    for i in range(50):
        assert folded(Surrogates(SECRET, taken).text(f"p{i}", "NAME", "Mensah")) not in taken
    assert {folded(name) for name in free} <= taken


def test_who_is_taken() -> None:
    people = [
        {"resourceType": "Patient", "name": [{"family": "Núñez-Okafor", "given": ["Mei", "A."]}]},
        {"resourceType": "Practitioner", "name": [{"text": "Dr. O'Neil"}]},
        {"resourceType": "Patient"},
    ]
    assert names_taken(people) == {"nunez", "okafor", "mei", "a", "dr", "o'neil"}


@pytest.mark.parametrize(
    ("category", "original", "pattern"),
    [
        ("NAME", "M.D.", r"[A-Z]\.[A-Z]\."),  # alone these are initials
        ("NAME", "Ana Li, M.D.", r"\w+ \w+, M\.D\."),
        ("NAME", "Du, Wei", r"(?!Du\b)\w+, (?!Wei)\w+"),
        ("NAME", "Ludwig van Gelder", r"\w+ van \w+"),
        ("NAME", "Abbott509", r"[A-Z][a-z]+(?!509)\d{3}"),
        ("PHONE", "(614) 555-0182 ext. 12", r"\([2-9]\d\d\) 555-01\d\d ext\. \d\d"),
        ("PHONE", "1-800-222-1234", r"1-[2-9]\d\d-555-01\d\d"),
        ("PHONE", "+44 20 7946 0958", r"\+44 \d\d \d{4} \d{4}"),
        ("SSN", "219 09 9999", r"9\d\d 00 \d{4}"),
        ("SSN", "XXX-XX-1234", r"XXX-XX-\d{4}"),
        ("EMAIL", "f.adeyemi (at) clinic.org", r"[a-z]\.[a-z]{7}@example\.org"),
        ("URL", "www.somewhere.net/me", r"www\.example\.org/[0-9a-f]{8}"),
        ("IP", "10.1.2.3", r"(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d{1,3}"),
        ("IP", "fe80::1", r"2001:db8::[0-9a-f]+:[0-9a-f]+"),
        ("IP", "00:1B:44:11:3A:B7", r"00:00:5E:00:53:[0-9A-F]{2}"),
        ("DEVICE", "Serial No. R2158108", r"Serial No\. [A-Z]\d{7}"),
        ("DEVICE", "SN 66125009", r"SN \d{8}"),
        ("PHOTO", "IMG_20394.jpg", r"[A-Z]{3}_\d{5}\.jpg"),
        ("ADDRESS", "9078 Main Street, Apt 3B, Springfield, IL 62704", r"\d{4} \w+ Street, Apt \d[A-Z], \w+, IL 62700"),
        ("ADDRESS", "1 Elm Drive, Rutland, VT 05901", r"\d \w+ Drive, \w+, VT 00000"),  # few people live in 059
        ("ADDRESS", "12 42nd Street, New York, New York", r"\d\d [A-Z]\w+ Street, (?!New York)\w+, New York"),
        ("ADDRESS", "P.O. Box 44219", r"P\.O\. Box (?!44219)\d{5}"),
        ("HOSPITAL", "St. Brendan Memorial Medical Center", r"St\. \w+ Memorial Medical Center"),
        ("HOSPITAL", "Memorial Hospital", r"\w+ Memorial Hospital"),
        ("HOSPITAL", "LAKESIDE CLINIC", r"(?!LAKESIDE)[A-Z]+ CLINIC"),
        ("AGE", "ninety-three", r"90\+"),
    ],
)  # fmt: skip
def test_layouts(category: str, original: str, pattern: str) -> None:
    for patient in ("p1", "p2", "p3"):
        made_up = MADE_UP.text(patient, category, original)
        assert re.fullmatch(pattern, made_up), made_up
        assert made_up != original


def test_a_town_is_one_town_in_addresses_and_hospitals() -> None:
    town = MADE_UP.text("p1", "ADDRESS", "Springfield")
    assert MADE_UP.text("p1", "HOSPITAL", "Springfield General Hospital") == f"{town} General Hospital"
    assert f", {town}, IL" in MADE_UP.text("p1", "ADDRESS", "12 Elm Road, Springfield, IL 62704")


def test_dates_are_not_made_up() -> None:
    with pytest.raises(ValueError, match="DATE"):
        MADE_UP.text("p1", "DATE", "3/14/2019")
    assert "DATE" not in MAKERS


@pytest.mark.parametrize(
    ("drawn", "new"), [("Andersen", False), ("Sandersons", False), ("Ander", True), ("Harper", True)]
)
def test_what_gives_a_name_away(drawn: str, new: bool) -> None:
    assert is_new(drawn, {"anderson"}) is new


def test_workers_get_it_and_nobody_reads_it() -> None:
    copy = pickle.loads(pickle.dumps(MADE_UP))
    assert copy.text("p1", "NAME", "Mei Nguyen") == MADE_UP.text("p1", "NAME", "Mei Nguyen")
    assert "ssss" not in repr(MADE_UP)
    with pytest.raises(ValueError, match="32"):
        Surrogates(b"short")
