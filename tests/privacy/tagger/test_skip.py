"""A sentence is left out only where every word is common and nothing points to a person, a place or a job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.tagger.skip import cues, is_clinical, may_hold_name, trimmed
from privacy.tagger.words import common_words, units_of, words_of

PLAIN = sorted(common_words().plain - cues())


def kept(text: str) -> bool:
    words = words_of(text)
    return any(may_hold_name(words, unit) for unit in units_of(words))


@given(
    st.lists(st.sampled_from(PLAIN), max_size=6),
    st.from_regex(r"[A-Z][a-z]{2,9}", fullmatch=True).filter(lambda word: word.lower() not in common_words().plain),
)
def test_a_line_with_a_word_that_is_not_common_is_read(line: list[str], word: str) -> None:
    assert kept(" ".join([*line, word]))
    assert kept(" ".join([word.lower(), *line]))


@given(st.lists(st.sampled_from(PLAIN), max_size=6), st.sampled_from(sorted(cues())))
def test_a_line_with_a_cue_is_read(line: list[str], cue: str) -> None:
    assert kept(" ".join([*line, cue]))


@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=8))
def test_a_line_of_common_words_is_not(line: list[str]) -> None:
    assert not kept(" ".join(line).capitalize() + ".")


@pytest.mark.parametrize(
    "text", ["Dr. to see.", "Grace came.", "his daughter, may, came", "works as a welder", "seen by reed"]
)
def test_names_that_are_words_are_read(text: str) -> None:
    assert kept(text)


@pytest.mark.parametrize("text", ["", "Lungs: clear.", "The abdomen may be soft, 12/12."])
def test_clinical_sentences_are_left_out(text: str) -> None:
    assert not kept(text)


@pytest.mark.parametrize(
    ("text", "never"), [("LA", True), ("DOB:", True), ("La", False), ("PA Reed", False), ("Chart", True)]
)
def test_abbreviations_and_headings_are_no_finding_by_themselves(text: str, never: bool) -> None:
    words = words_of(text)
    assert is_clinical(words, range(len(words)), "NAME") is never


@pytest.mark.parametrize(
    ("text", "size", "clinical"),
    [
        ("Graves disease", 1, True),
        ("Hodgkin's lymphoma", 1, True),
        ("Glasgow Coma Scale", 2, True),
        ("Ms. Graves disease-free", 3, False),
        ("Graves denies", 1, False),
        ("Graves", 1, False),
        ("Norton 14", 1, True),
        ("Lawton 6/8", 1, True),
        ("Norton 64 M", 1, False),
        ("Norton, seen 14", 1, False),
        ("Okonkwo 14", 1, False),
        ("0800", 1, True),
        ("BAKER'S CYST", 1, True),
        ("Kernig signs", 1, True),
        ("Crohn's; he", 1, True),
        ("Crohn's with fistula", 1, True),
        ("Crohn's wound", 1, False),
        ("Larkin's; he", 1, False),
        ("Seeing Helena", 1, True),
        ("Seeing, then", 1, False),
        ("Dr Helena", 1, False),
        ("Pt's", 1, True),
        ("Gross\nLives", 1, False),
    ],
)
def test_an_eponym_is_no_person(text: str, size: int, clinical: bool) -> None:
    assert is_clinical(words_of(text), range(size), "NAME") is clinical


@pytest.mark.parametrize(
    ("text", "label", "clinical"),
    [
        ("General Practitioner", "HOSPITAL", True),
        ("General Practitioner", "NAME", False),
        ("County General", "HOSPITAL", False),
        ("He works nights", "NAME", False),
        ("works nights", "NAME", False),  # in a line without capitals all is small
    ],
)
def test_words_for_wards_name_no_place(text: str, label: str, clinical: bool) -> None:
    words = words_of(text)
    assert is_clinical(words, range(len(words)), label) is clinical


def test_a_common_word_written_small_is_no_name_where_names_have_capitals() -> None:
    words = words_of("Ada works nights.")
    assert is_clinical(words, range(2, 3), "NAME")
    assert not is_clinical(words, range(2, 3), "PROFESSION")
    assert not is_clinical(words_of("Told grace to rest."), range(1, 2), "NAME")  # somebody may be called so


@pytest.mark.parametrize(
    ("text", "label", "left"),
    [
        ("Elm Hospital ED", "HOSPITAL", "Elm Hospital"),
        ("PCP Bell", "NAME", "Bell"),
        ("Pa Xiong", "NAME", "Pa Xiong"),
        ("Baton Rouge LA", "ADDRESS", "Baton Rouge LA"),
        ("ED", "HOSPITAL", "ED"),
        ("Seeing Helena Brandvold", "NAME", "Helena Brandvold"),
        ("Son Marco", "NAME", "Marco"),
        ("Miss Brandvold", "NAME", "Miss Brandvold"),
        ("Dr Brandvold too", "NAME", "Dr Brandvold"),
        ("red cloud", "NAME", "red cloud"),
        ("de la Cruz", "NAME", "de la Cruz"),
        ("nights at Elm Works on", "HOSPITAL", "Elm Works"),
    ],
)
def test_abbreviations_are_cut_from_the_ends(text: str, label: str, left: str) -> None:
    words = words_of(text)
    span = trimmed(words, range(len(words)), label)
    assert text[words.starts[span.start] : words.ends[span.stop - 1]] == left
