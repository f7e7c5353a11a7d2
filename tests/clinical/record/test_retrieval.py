"""What a question finds: rare words, near meaning, and the words of earlier questions."""

from __future__ import annotations

import numpy as np

from clinical.record.passages import Note
from clinical.record.retrieval import Index

NOTES = [
    Note("a", "", "The cough is dry. " + "Nothing else was said of the cough here. " * 12),
    Note("b", "", "Her potassium was 5.1 mmol/L. " + "The cough was not heard. " * 20),
    Note("c", "", "He lives with his sister. " + "They have a cat and a garden. " * 16),
]


def alike(texts: list[str]) -> np.ndarray:
    """Vectors that say that all texts mean the same: what is found is found by words."""
    return np.ones((len(texts), 1), np.float32)


def about_sisters(texts: list[str]) -> np.ndarray:
    vectors = np.array([[1.0, 0.0] if "sister" in text or "sibling" in text else [0.0, 1.0] for text in texts])
    return vectors.astype(np.float32)


def first(index: Index, question: str, *context: str) -> str:
    search = index.search(question, context)
    return NOTES[index.passages[search.order[0]].note].record


def test_a_rare_word_finds_its_passage() -> None:
    assert first(Index(NOTES, alike), "What was the potassium?") == "b"


def test_meaning_finds_what_no_word_does() -> None:
    assert first(Index(NOTES, about_sisters), "Any siblings?") == "c"


def test_words_of_earlier_questions_count() -> None:
    index = Index(NOTES, alike)
    assert first(index, "How high was it?", "potassium") == "b"
    assert first(index, "How high was it?", "garden") == "c"


def test_coverage_is_the_share_of_what_was_asked() -> None:
    index = Index(NOTES, alike)
    covered = index.search("potassium").coverage
    assert covered.max() == 1.0 and (covered > 0).sum() == 1
    assert not index.search("unheard").coverage.any()


def test_an_empty_record_has_no_passage() -> None:
    assert Index([Note("a", "", " \n")], alike).search("fever").order == ()
