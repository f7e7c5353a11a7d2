import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.extraction.linking import Tail, relate, rules
from clinical.extraction.mentions import Mention
from clinical.extraction.sentences import find_sentences
from clinical.extraction.words import table

KINDS = {
    "metformin": "medication",
    "lisinopril": "medication",
    "vancomycin": "medication",
    "aspirin": "medication",
    "creatinine": "test",
    "potassium": "test",
    "sodium": "test",
    "bun": "test",
    "swelling": "finding",
    "fever": "finding",
    "cough": "finding",
}
ROWS = table("relations")["link"]
NAME = re.compile("|".join(KINDS), re.I)
MARKS = str.maketrans("", "", "[]{}")


def mentions_of(text):
    return [Mention(own.start(), own.end(), own[0], KINDS[own[0].lower()], "") for own in NAME.finditer(text)]


def linked(name, marked):
    """The heads that the words in brackets get."""
    text = marked.translate(MARKS)
    kind = "value" if name == "word" else name
    words = re.findall(r"\[(.*?)\]", marked)
    tails = [Tail(kind, text.index(own), text.index(own) + len(own), own) for own in words]
    found = relate(text, find_sentences(text), mentions_of(text), tails)
    return [(text[own.head_start : own.head_end], text[own.tail_start : own.tail_end]) for own in found]


@pytest.mark.parametrize("name", ROWS)
def test_each_row_links_its_example_and_not_the_counter_example(name):
    row = ROWS[name]
    heads, tails = re.findall(r"\{(.*?)\}", row["example"]), re.findall(r"\[(.*?)\]", row["example"])
    assert linked(name, row["example"]) == [(head, tail) for tail in tails for head in heads]
    assert linked(name, row["counter"]) == []


def test_the_preposition_ties_a_site_to_what_stands_before():
    assert linked("site", "He had swelling of the [knee], cough was absent.") == [("swelling", "knee")]
    assert linked("site", "He had cough, [knee] swelling.") == [("swelling", "knee")]


def test_two_values_behind_two_tests_are_dealt_out_in_order():
    assert linked("value", "The BUN and creatinine were [23] and [1.2].") == [("BUN", "23"), ("creatinine", "1.2")]


def test_another_name_in_parentheses_is_passed_over():
    assert linked("value", "The creatinine (creatinine) was [1.2].") == [("creatinine", "1.2")]
    text = "The creatinine (sodium) was 1.2."
    found = relate(text, find_sentences(text), mentions_of(text), [Tail("value", 28, 31, "1.2")])
    assert [own.head_start for own in found] == [text.index("creatinine")]


def test_a_history_without_and_is_of_things_apart():
    assert linked("time", "Cough, fever [in 2015].") == [("fever", "in 2015")]
    assert linked("time", "Cough, fever and swelling [in 2015].") == [
        ("Cough", "in 2015"),
        ("fever", "in 2015"),
        ("swelling", "in 2015"),
    ]


@given(st.lists(st.sampled_from(["cough", "fever", " ", ", ", " and ", ". ", "knee", "(", ")", "\n"]), max_size=30))
def test_relations_stay_in_one_sentence(pieces):
    text = "".join(pieces)
    sentences = find_sentences(text)
    tails = [Tail("site", own.start(), own.end(), "knee") for own in re.finditer("knee", text)]
    for own in relate(text, sentences, mentions_of(text), tails):
        low, high = min(own.head_start, own.tail_start), max(own.head_end, own.tail_end)
        assert any(start <= low and high <= end for start, end in sentences)
        assert own.head_end <= own.tail_start or own.tail_end <= own.head_start


def test_every_kind_has_a_rule():
    assert set(rules()) == {"dose", "route", "frequency", "value", "word", "site", "time"}
