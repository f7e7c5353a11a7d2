"""Words keep their place, units and windows keep every word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import InputError
from privacy.tagger.words import SHAPES, Common, Subwords, batch_of, units_of, windows_of, words_of
from tests.clinical.encoders import save_encoder

COMMON = Common(frozenset({"seen", "the"}), frozenset({"may"}))
TEXTS = st.text(st.sampled_from("aBé7 .:,\n\t-'’|\u200b中") | st.characters(codec="utf-8"), max_size=120)


@pytest.fixture(scope="module")
def subwords(tmp_path_factory: pytest.TempPathFactory) -> Subwords:
    return Subwords(save_encoder(tmp_path_factory.mktemp("encoder")))


@given(TEXTS)
def test_words_are_all_of_the_text_but_white_space(text: str) -> None:
    words = words_of(text, COMMON)
    assert "".join(words.word(i) for i in range(len(words))) == "".join(text.split())
    assert all(a <= b for a, b in zip(words.ends, words.starts[1:], strict=False))


@given(TEXTS)
def test_units_are_all_words_in_order_and_no_unit_crosses_a_line(text: str) -> None:
    words = words_of(text, COMMON)
    units = units_of(words)
    assert [index for unit in units for index in unit] == list(range(len(words)))
    for unit in units:
        assert "\n" not in text[words.starts[unit[0]] : words.ends[unit[-1]]]


@given(TEXTS, st.integers(12, 40))
def test_windows_hold_every_word_whole_and_once(subwords: Subwords, text: str, length: int) -> None:
    words = words_of(text, COMMON)
    windows = windows_of(subwords, words, length)
    assert all(len(window.ids) <= length for window in windows)
    seen = [index for window in windows for index in dict.fromkeys(window.word[1:-1].tolist())]
    assert seen == list(range(len(words)))


def shapes(text: str, word: str) -> set[str]:
    words = words_of(text, COMMON)
    row = next(words.shapes[i] for i in range(len(words)) if words.word(i) == word)
    return {name for name, value in zip(SHAPES, row, strict=True) if value}


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("Name: Okafor", "Okafor", {"title", "after colon", "ends line"}),
        ("seen by\nOKAFOR, J", "OKAFOR", {"upper", "begins line", "before comma", "upper-case line"}),
        ("seen by núñez", "núñez", {"lower", "accent", "ends line", "lower-case line"}),
        ("a  McDonald\tb", "McDonald", {"mixed", "after wide space", "before wide space"}),
        ("On. J. seen", "J", {"capital", "begins sentence", "before full stop"}),
        ("to 5W now", "5W", {"code"}),
        ("It may be", "may", {"lower", "common"}),
        ("Ms May is", "May", {"title"}),
        ("O'Neill x", "Neill", {"title", "glued to the last"}),
    ],
)
def test_shapes_say_what_the_encoder_cannot_see(text: str, word: str, expected: set[str]) -> None:
    assert shapes(text, word) == expected


def test_a_batch_puts_the_shapes_of_a_word_on_its_tokens(subwords: Subwords) -> None:
    words = words_of("Ab c", COMMON)
    windows = windows_of(subwords, words, 12)
    batch = batch_of([*windows, *windows], [words.shapes, words.shapes], 0)
    row = windows[0].word
    assert batch.mask[0].sum() == len(row)
    for place in np.flatnonzero(row >= 0):
        assert (batch.shapes[1, place] == words.shapes[row[place]]).all()
    assert not batch.shapes[0, row < 0].any()


def test_a_sentence_does_not_end_after_a_title(tmp_path: Path) -> None:
    words = words_of("Seen by Dr. Reed today. Will return.", COMMON)
    assert [words.word(unit[0]) for unit in units_of(words)] == ["Seen", "Will"]


def test_subwords_are_those_of_the_encoders_own_tokenizer(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from privacy.encoders import find_encoder

    folder = find_encoder().path
    own = AutoTokenizer.from_pretrained(folder)
    words = words_of("Pt Núñez-Okafor, 5W: Steri-Strips; 中文 \u200b x", COMMON)
    expected = [
        own(words.word(i), add_special_tokens=False)["input_ids"] or [own.unk_token_id] for i in range(len(words))
    ]
    ours = Subwords(Path(folder))
    assert ours.of(words) == expected
    special = (own.pad_token_id, own.unk_token_id, own.cls_token_id, own.sep_token_id)
    assert (ours.padding, ours.unknown, ours.first, ours.last) == special
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        Subwords(tmp_path)
