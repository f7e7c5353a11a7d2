"""What the sweep must find in an output, and what it must leave alone."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.files import table_of
from privacy.guards.sweep import LeakKind, Sweep

OWN = {
    "resourceType": "Patient",
    "name": [{"family": "O'Sullivan", "given": ["Zébulon", "K"]}],
    "birthDate": "1961-04-02",
    "identifier": [{"value": "611-6957"}, {"value": "457-46-3651"}],
    "telecom": [{"system": "phone", "value": "(972) 402-4207"}, {"system": "email", "value": "zeb@example.org"}],
    "address": [{"line": ["2232 Harrow Close"], "city": "Brackley"}],
}
SHORT = {"resourceType": "Patient", "name": [{"family": "Long", "given": ["Jo"]}],
         "identifier": [{"value": "2019"}, {"value": "4711"}]}  # fmt: skip
OTHERS = [
    {"resourceType": "Practitioner", "name": [{"family": "de la Cruz", "given": ["María", "Inés"]}]},
    {"resourceType": "Practitioner", "name": [{"text": "Adaeze Okonkwo"}], "telecom": [{"value": "212-555-0187"}]},
    {"resourceType": "Patient", "name": [{"family": "May", "given": ["Grace"]}],
     "identifier": [{"value": "AB-99 1234"}, {"value": "12345"}, {"value": "8675309"}],
     "telecom": [{"value": "grace.may@example.net"}]},
]  # fmt: skip
SWEEP = Sweep.of([OWN, SHORT, *OTHERS])
TOKEN = "gAB_x-" * 8
CLEAN = f"""[NAME] was seen on [DATE 2019] by [NAME:{TOKEN}]. Long history of pain; may walk, brown sputum. J.L.
BP 120/80, strength 12/12, murmur 2/6, platelets 250,000, WBC 7.5, 20 mg at 8:00. Zed was [***]. O.S. eye clear.
Jackson-Pratt drain, Murphy's sign negative. She denies chest pain; weight normal. Follow-up in 2 weeks."""


def kinds(text, patient=OWN):
    return {leak.kind for leak in SWEEP.leaks(text, patient)}


def found(text, patient=OWN):
    return [(text[leak.start : leak.end], leak.kind) for leak in SWEEP.leaks(text, patient)]


@pytest.mark.parametrize("patient", [OWN, SHORT, None, *OTHERS])
def test_a_clean_note_gives_nothing(patient):
    assert SWEEP.leaks(CLEAN, patient) == ()


NAMES = [
    "Zébulon", "ZEBULON", "zebulon", "Ze\u0301bulon", "Z\u200dé\xadbulon", "Zebu-\nlon", "Zebu\r\n  lon",
    "O'Sullivan", "OSullivan", "O’SULLIVAN", "Sullivan", "O'Sulli-\nvan", "O'Sullivan, Zebulon",
    "Zebulon K. O'Sullivan", "sullivan's",
]  # fmt: skip
CODES = [
    "611-6957", "6116957", "611 6957", "611.6957", "MRN6116957", "611-\n6957", "457463651", "457.46.3651",
    "972-402-4207", "(972)4024207", "+1 972 402 4207", "19724024207", "402-4207", "zeb@example.org",
    "ZEB@EXAMPLE.ORG", "2232 Harrow Cl", "2232 HARROW\nClose", "4/2/1961", "04/02/61", "2.4.1961", "1961-04-02",
    "19610402", "April 2, 1961", "2nd of Apr 1961", "02-APR-61", "Apr. 2 1961",
]  # fmt: skip


@pytest.mark.parametrize("written", NAMES)
def test_a_patients_own_name_is_found_as_it_is_written(written):
    assert kinds(f"Then {written} was seen.") == {LeakKind.OWN_NAME}


@pytest.mark.parametrize("written", CODES)
def test_a_patients_own_identifier_is_found_as_it_is_written(written):
    assert kinds(f"Then ({written}), once.") == {LeakKind.OWN_IDENTIFIER}


@pytest.mark.parametrize("text", ["96116957", "611 mg and 6957", "Zeb", "April 2. Weight 61", "4/2/1971"])
def test_what_only_looks_alike_is_no_finding(text):
    assert not kinds(text)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_one_typing_error_in_a_long_word_is_found(data):
    word = data.draw(st.sampled_from(["zebulon", "sullivan"]))
    at = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("bcdfgxyzq"))
    swapped = word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
    typo = data.draw(
        st.sampled_from(
            [word[:at] + word[at + 1 :], word[:at] + letter + word[at + 1 :], word[:at] + letter + word[at:], swapped]
        )
    )
    shaped = data.draw(st.sampled_from([str.lower, str.upper, str.title]))(typo)
    assert kinds(f"Then {shaped} was seen.") & {LeakKind.MISSPELLED, LeakKind.OWN_NAME}


@pytest.mark.parametrize("text", ["[ZEBULON]", "[NAME:Zebulon]", "[NAME Zebulon]"])
def test_brackets_hide_nothing_but_our_own_marks(text):
    assert kinds(text) == {LeakKind.OWN_NAME}


def test_two_typing_errors_or_a_short_word_are_no_finding():
    assert not kinds("Then Zabulen was seen.")
    tim = {"name": [{"family": "Quist", "given": ["Timo"]}]}
    assert not kinds("Quis was seen; Tino too.", tim) and kinds("Quist", tim)


def test_initials_and_names_that_are_words_count_only_as_a_name():
    assert not kinds("Jo said: long, Long, LONG. J.L.", SHORT)
    assert found("Mr. Long came.", SHORT) == found("Then J. Long came.", SHORT) == [("Long", LeakKind.OWN_NAME)]
    assert found("LONG, JO came.", SHORT) == [("LONG, JO", LeakKind.OWN_NAME)]
    assert not kinds("in 2019", SHORT)


def test_a_short_number_counts_only_as_it_is_written():
    assert found("Record 4711.", SHORT) == [("4711", LeakKind.OWN_IDENTIFIER)]
    assert not kinds("47 11 and 47-11 and x4711", SHORT)


def test_a_disease_is_not_its_patient():
    patient = {"name": [{"family": "Murphy", "given": ["Wilson"]}]}
    assert not kinds("Murphy's sign, Wilson disease, MURPHY'S SIGN", patient)
    assert kinds("Murphy was here.", patient) == {LeakKind.OWN_NAME}


@pytest.mark.parametrize(
    "written",
    ["María de la Cruz", "DE LA CRUZ, MARIA", "Maria I. de la Cruz", "Maria de la\nCruz", "Inés de la Cruz",
     "Ma-\nria de la Cruz", "Adaeze Okonkwo", "Okonkwo Adaeze", "Grace May", "MAY, GRACE"],
)  # fmt: skip
def test_the_full_name_of_another_is_found(written):
    assert found(f"Then {written} came.") == [(written, LeakKind.OTHER_NAME)]


@pytest.mark.parametrize(
    "text", ["Maria", "Okonkwo", "with grace may we", "M.O.", "Adaeze. He said Okonkwo", "Maria | de la Cruz"]
)
def test_a_part_of_anothers_name_is_no_finding(text):
    assert not kinds(text)


@pytest.mark.parametrize("written", ["AB991234", "AB-99-1234", "8675309", "867-5309", "grace.may@example.net"])
def test_the_identifier_of_another_is_found(written):
    assert found(f"Then {written}, once.") == [(written, LeakKind.OTHER_IDENTIFIER)]


def test_a_number_is_found_behind_letters():
    assert found("Then MRN8675309, once.") == [("8675309", LeakKind.OTHER_IDENTIFIER)]


@pytest.mark.parametrize("text", ["12345", "86 75 309", "18675309", "86753094"])
def test_short_numbers_and_readings_of_others_are_no_finding(text):
    assert not kinds(text)


@given(st.sampled_from([*NAMES, *CODES]), st.integers(0, 5), st.sampled_from([" ", "\n", ": ", "(", "\t"]))
@settings(max_examples=150, deadline=None)
def test_a_planted_identifier_is_found_where_it_stands(written, line, before):
    lines = CLEAN.split("\n")
    text = "\n".join([*lines[:line], f"x{before}{written} y", *lines[line:]])
    start = text.index(written)
    (leak,) = SWEEP.leaks(text, OWN)
    assert leak.start < start + len(written) and start < leak.end


def test_where_dates_are_kept_the_date_of_birth_is_no_leak():
    assert Sweep.of([OWN], birth_dates=False).leaks("Born 4/2/1961.", OWN) == ()


def test_it_travels_to_workers_without_a_name_in_it():
    data = pickle.dumps(SWEEP)
    assert b"6116957" not in data and b"osullivanzebulon" not in data
    assert pickle.loads(data).leaks("Grace May", OWN) == SWEEP.leaks("Grace May", OWN)


def test_hostile_text_takes_no_time():
    started = time.perf_counter()
    for text in ("a" * 50_000, "1-" * 25_000, "a-\n" * 20_000, "@a." * 10_000, "1 " * 30_000, "zebulon " * 10_000):
        SWEEP.leaks(text, OWN)
    assert time.perf_counter() - started < 10


def test_the_vocabulary_is_in_small_letters_and_says_nothing_twice():
    table = table_of("privacy", "tables/vocabulary")
    for entries in map(str.split, table.values()):
        assert entries and len(entries) == len(set(entries)) and all(e == e.lower() and e.isalpha() for e in entries)
