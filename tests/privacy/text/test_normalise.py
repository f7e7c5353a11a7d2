import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.text.normalise import clean, fold, fold_word

HIDDEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202e\u2066\x00\x07\x1b\x9d\u034f\ufe0f\U000e0001"
ANY = st.text(st.characters() | st.sampled_from(HIDDEN + "\ud800\u00a0\u2028－１Ａ\u2011оа"))


@given(ANY)
def test_cleaning_twice_is_the_same_as_once(text):
    once = clean(text).text
    assert clean(once).text == once


@given(ANY)
def test_each_character_maps_back_to_the_one_it_came_from(text):
    cleaned = clean(text)
    assert len(cleaned.offsets) == len(cleaned.text) + 1
    assert list(cleaned.offsets) == sorted(cleaned.offsets)
    assert cleaned.offsets[-1] == len(text)
    for i, character in enumerate(cleaned.text):
        start, end = cleaned.original_span(i, i + 1)
        assert end == start + 1
        assert character in clean("a" + text[start]).text + clean(text[start]).text or character.isascii()


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_plain_text_is_left_alone(text):
    assert clean(text).text == text


@given(st.lists(st.sampled_from(HIDDEN), min_size=8, max_size=8))
def test_a_name_with_hidden_characters_inside_is_whole_again(hidden):
    text = "Seen: " + "".join(c + h for c, h in zip("Okonkwo", hidden, strict=False)) + " today"
    cleaned = clean(text)
    at = cleaned.text.index("Okonkwo")
    start, end = cleaned.original_span(at, at + len("Okonkwo"))
    assert text[:start] == "Seen: "
    assert clean(text[start:end]).text == "Okonkwo"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("DOB:\u00a004/02\u20111961", "DOB: 04/02-1961"),
        ("ＭＲＮ：６１１６", "MRN:6116"),
        ("٠٤/٠٢/١٩٦١", "04/02/1961"),
        ("line\u2028next\x0cpage", "line\nnext\npage"),
        ("Оkоnkwo", "Okonkwo"),
        ("Muñoz Ångström Иванов", "Muñoz Ångström Иванов"),
        ("10 mm² 1º 5 μg", "10 mm² 1º 5 μg"),
        ("oﬃce", "office"),
        ("O\u02bcNeill", "O'Neill"),
        ("bad \ud83d here", "bad \ufffd here"),
        ("tab\tcrlf\r\n", "tab\tcrlf\r\n"),
    ],
)
def test_what_a_reader_sees(text, seen):
    assert clean(text).text == seen


SPELLINGS = ["Okon-\nkwo", "OKONKWO", "Ókonkwo", "O'konkwo", unicodedata.normalize("NFD", "Ókonkwo")]


@pytest.mark.parametrize("text", SPELLINGS)
def test_folding_finds_one_word_in_every_spelling(text):
    folded = fold(f"Mr. {text} came")
    [(first, last)] = folded.find("okonkwo")
    assert f"Mr. {text} came"[folded.spans[first][0] : folded.spans[last - 1][1]] == text


def test_folding_finds_whole_words_only():
    assert list(fold("an Okonkwos, neokonkwo").find("okonkwo")) == []
    assert list(fold("").find("")) == []


def test_letters_that_do_not_decompose_are_folded():
    assert [fold_word(w) for w in ("Jørgen", "Łukasz", "Strauß", "Đặng", "O'Neill-Næss")] == [
        "jorgen",
        "lukasz",
        "strauss",
        "dang",
        "oneillnaess",
    ]
