"""Scores count exact spans with their label, and intervals are by document."""

from __future__ import annotations

import pytest

from clinical.entities.corpora import Document
from clinical.evaluation.entities import score_documents

DOCUMENTS = [
    Document("1", "a rash", ((2, 6, "Disease"),)),
    Document("2", "no zinc", ((3, 7, "Chemical"),)),
    Document("3", "none", ()),
]


def test_a_span_counts_if_both_ends_and_the_label_are_right() -> None:
    found = {
        "a rash": [(2, 6, "bc5cdr:Disease")],
        "no zinc": [(3, 7, "bc5cdr:Disease")],
        "none": [(0, 2, "x:Chemical")],
    }
    scores = score_documents("bc5cdr", DOCUMENTS, found.__getitem__)
    assert (scores.overall.marked, scores.overall.found, scores.overall.right) == (2, 3, 1)
    assert scores.overall.f1 == pytest.approx(2 / 5)
    assert scores.labels["Disease"].precision == 0.5
    assert scores.labels["Chemical"].recall == 0.0
    assert scores.overall.interval[0] <= scores.overall.f1 <= scores.overall.interval[1]


def test_everything_right_is_certain() -> None:
    gold = {document.text: [(a, b, f"bc5cdr:{label}") for a, b, label in document.spans] for document in DOCUMENTS}
    scores = score_documents("bc5cdr", DOCUMENTS, gold.__getitem__)
    assert (scores.overall.f1, scores.overall.interval) == (1.0, (1.0, 1.0))
    assert '"corpus": "bc5cdr"' in scores.to_json()
