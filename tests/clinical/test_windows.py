"""What the encoder reads of a note: clinical lines, in windows of equal length."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.windows import clinical_lines, cut
from tests.clinical.encoders import save_encoder


@pytest.fixture(scope="module")
def tokenizer(bert: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(bert)


@pytest.mark.parametrize(
    "line", ["Name: [NAME]  DOB: [DATE]", "[HOSPITAL]", "Patient: [NAME], MRN [ID]", "Date: [DATE 2019]"]
)
def test_lines_that_are_little_more_than_tags_are_left_out(line: str) -> None:
    assert clinical_lines(f"Cough and fever.\n{line}\nSputum is green.") == "Cough and fever.\nSputum is green."


@pytest.mark.parametrize("line", ["Plan:", "BP 120/80", "[sic] short", "Seen by [NAME] for cough and fever since days"])
def test_lines_that_say_something_stay_without_their_tags(line: str) -> None:
    kept = clinical_lines(line)
    assert "[NAME]" not in kept
    assert kept.split() == line.replace("[NAME]", " ").split()


def test_windows_hold_the_whole_note_in_order_between_marks(tokenizer) -> None:
    text = "Cough and fever for days. " * 20
    tokens = tokenizer.encode(text, add_special_tokens=False)
    windows = cut(tokenizer, text, 16, 100)
    bodies = []
    for ids, mask in zip(windows.ids, windows.mask, strict=True):
        length = int(mask.sum())
        assert (ids[0], ids[length - 1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        assert (ids[length:] == tokenizer.pad_token_id).all()
        assert mask[:length].all() and not mask[length:].any()
        bodies += list(ids[1 : length - 1])
    assert bodies == tokens


def test_no_more_windows_than_asked_for(tokenizer) -> None:
    windows = cut(tokenizer, "Cough and fever for days. " * 100, 16, 3)
    assert windows.ids.shape == windows.mask.shape == (3, 16)
    assert windows.mask.all()


def test_an_empty_note_has_one_window_of_two_marks(tokenizer) -> None:
    for text in ("", " \n", "[NAME] [DATE]"):
        windows = cut(tokenizer, text, 8, 2)
        assert windows.ids.shape == (1, 8)
        assert windows.mask.sum() == 2


@cache
def _tokenizer(folder: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(save_encoder(folder))


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(8, 32), st.integers(1, 4))
def test_every_text_has_windows_of_the_asked_shape(tmp_path_factory, text: str, length: int, most: int) -> None:
    windows = cut(_tokenizer(tmp_path_factory.getbasetemp() / "any-text"), text, length, most)
    count = len(windows.ids)
    assert 1 <= count <= most
    assert windows.ids.shape == windows.mask.shape == (count, length)
    assert (windows.mask.sum(1) >= 2).all()
    assert (np.diff(windows.mask.astype(int), axis=1) <= 0).all()
