"""Passages hold every sentence, none is too long, and none crosses from one note into another."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from clinical.record.passages import PASSAGE, STRIDE, Note, passages_of, sentences_of, stem, topic

sentence = st.integers(1, 90).map(lambda size: " ".join(["word"] * size) + ".")
texts = st.lists(st.lists(sentence, max_size=12).map("\n\n".join), max_size=4)


@given(texts)
def test_passages_overlap_and_lose_nothing(given_texts: list[str]) -> None:
    notes = [Note(str(number), "", text) for number, text in enumerate(given_texts)]
    sentences = sentences_of(notes)
    passages = passages_of(notes, sentences)
    assert {place for own in passages for place in range(own.first, own.last)} == set(range(len(sentences)))
    for own in passages:
        inside = sentences[own.first : own.last]
        assert {one.note for one in inside} == {own.note}
        assert (own.start, own.end) == (inside[0].start, inside[-1].end)
        assert len(notes[own.note].text[own.start : own.end].split()) <= PASSAGE
    for before, after in pairwise(passages):
        assert (before.first, before.last) < (after.first, after.last)
    words = sum(len(text.split()) for text in given_texts)
    assert len(passages) <= len(given_texts) + words / STRIDE


def test_a_text_without_an_end_is_cut() -> None:
    notes = [Note("n", "", "word " * 5000)]
    sentences = sentences_of(notes)
    assert max(len(notes[0].text[own.start : own.end].split()) for own in sentences) == 60
    assert sentences[-1].end == len(notes[0].text.rstrip())


def test_stems_and_topics_of_questions() -> None:
    assert [stem(word) for word in ("Infections", "infected", "gas", "His")] == ["infection", "infect", "gas", "his"]
    assert topic("Does the patient have a fever since Monday?") == ["fever", "since", "Monday"]
