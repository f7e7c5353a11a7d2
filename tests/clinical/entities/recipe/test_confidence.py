"""The confidence from which on a label is shown: where enough of its spans are right, and never on few of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clinical.entities.corpora import Document
from clinical.entities.recipe.confidence import FEWEST, NEVER, PAST, SHARE, least_confidences
from clinical.entities.tagger import Span

SIGN = "maccrobat:Sign"


def found(label: str, marked: str, *right: tuple[float, bool]) -> tuple[Document, list[tuple[Span, float]]]:
    """Spans of a label with their confidence, each met by a marked one or not."""
    spans = [((10 * place, 10 * place + 5, label), sure) for place, (sure, _) in enumerate(right)]
    there = tuple((10 * place + 4, 10 * place + 8, marked) for place, (_, met) in enumerate(right) if met)
    return Document("d", "", there), spans


def test_the_surest_spans_are_right_and_the_others_are_not() -> None:
    document = found(SIGN, "Sign", *[(0.9, True)] * 40, *[(0.5, False)] * 40)
    assert least_confidences([document])[SIGN] == 0.9
    assert least_confidences([document])["maccrobat:Test"] == NEVER


def test_a_few_spans_show_nothing() -> None:
    assert least_confidences([found(SIGN, "Sign", *[(0.9, True)] * (FEWEST - 1))])[SIGN] == NEVER


def test_a_problem_may_be_marked_as_a_finding_or_as_past_and_as_nothing_else() -> None:
    for marked, least in (("Disorder", 0.9), (PAST, 0.9), ("Anatomy", NEVER), ("Severity", NEVER)):
        assert least_confidences([found(SIGN, marked, *[(0.9, True)] * FEWEST)])[SIGN] == least


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.4, 0.6, 0.8]), st.booleans()), max_size=200))
def test_what_is_shown_is_right_often_enough(spans: list[tuple[float, bool]]) -> None:
    least = least_confidences([found(SIGN, "Sign", *spans)])[SIGN]
    shown = [met for sure, met in spans if sure >= least]
    if least != NEVER:
        assert len(shown) >= FEWEST
        assert sum(shown) >= SHARE * len(shown)
