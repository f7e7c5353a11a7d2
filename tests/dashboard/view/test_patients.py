"""What a search finds."""

from __future__ import annotations

import time

from clinical.patients import Closed, Listed
from dashboard.view.patients import MOST, line_of, search, why_closed
from privacy.vault.person import Person


def listed(number, name, birth="1950-01-31"):
    return Listed(f"{number:032x}", 1, Person(name, birth, "female", (), (), ()))


PEOPLE = [listed(1, "Zoé Núñez"), listed(2, "Ana Alvarez"), listed(3, "Anna Zu", "1961-05-01"), Listed("c0" * 16, 2)]


def found(words):
    return [own.person.name if own.person else own.patient for own in search(PEOPLE, words).patients]


def test_every_word_must_fit_in_any_case_with_or_without_accents():
    assert found("nunez ZOE") == found("Zoé") == ["Zoé Núñez"] and found("an a") == ["Ana Alvarez", "Anna Zu"]
    assert found("zoe alvarez") == [] and found("1961-05-01") == ["Anna Zu"]
    assert found("c0c0") == ["c0" * 16] and found("0c0") == []


def test_names_come_in_order_and_pseudonyms_last():
    assert found("") == ["Ana Alvarez", "Anna Zu", "Zoé Núñez", "c0" * 16]


def test_ones_own_come_first_though_they_have_no_name_and_a_number_finds_who_has_none():
    own, other = Listed("f0" * 16, 1), Listed("a0" * 16, 1, None, Closed.OTHERS)
    assert search([other, own], "").patients == (own, other)
    assert search([other, own], "7852774", [other.patient]).patients == (other,)


def test_every_closed_patient_is_explained_with_what_to_do():
    assert "hospital IT" in why_closed(Closed.OTHERS) and "refused" in why_closed(Closed.REFUSED)
    assert all("break the glass" in why_closed(why) for why in Closed)


def test_a_line_tells_two_of_one_name_apart_and_has_no_name_of_who_refused():
    assert line_of(PEOPLE[0]) == "Zoé Núñez · born 1950-01-31 · female · 1 note"
    assert line_of(Listed("p", 3, None, Closed.REFUSED)) == "Patient p · refused"
    assert line_of(Listed("p", 3, None, Closed.OTHERS)) == "Patient p · not one of yours"


def test_twenty_thousand_are_searched_in_less_than_half_a_second():
    many = [listed(number, f"Name{number} Family") for number in range(20_000)]
    started = time.process_time()
    result = search(many, "family")
    assert time.process_time() - started < 0.5 and (len(result.patients), result.total) == (MOST, 20_000)
    assert "first 20 of 20000" in result.sentence
