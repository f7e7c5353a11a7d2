"""Which words answer: the sentences of which the reader is sure first, and of a sentence what its spans agree on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clinical.record.encoding import Encoding
from clinical.record.passages import Note
from clinical.record.retrieval import Index
from clinical.record.spans import Candidate, agreed, candidates_of, ordered

span = st.tuples(st.integers(0, 90), st.integers(1, 10)).map(lambda own: (own[0], own[0] + own[1]))


def test_the_span_that_shares_most_wins_over_the_likeliest() -> None:
    assert agreed((0, 300), {(0, 4): 1.0, (10, 40): 0.9, (10, 42): 0.9, (12, 40): 0.9}) == (10, 40)
    assert agreed((0, 300), {(0, 4): 9.0, (10, 40): 0.9, (10, 42): 0.9}) == (0, 4)


@given(st.dictionaries(span, st.floats(-20, 20), min_size=1, max_size=8))
def test_what_is_agreed_on_is_one_of_the_spans_or_the_sentence(spans: dict[tuple[int, int], float]) -> None:
    assert agreed((0, 100), spans) in {(0, 100), *spans}


def test_sure_answers_come_first_and_then_the_order_is_by_rank() -> None:
    given_all = [
        Candidate(0, n, n + 1, odds, rank) for n, (odds, rank) in enumerate([(1, 5), (3, 9), (1.5, 9), (4, 1)])
    ]
    found = ordered(given_all, 2.0)
    assert [own.start for own in found] == [1, 3, 2, 0]
    assert [own.score >= 0.5 for own in found] == [True, True, False, False]


def test_no_answer_crosses_a_sentence(encoding: Encoding) -> None:
    index = Index([Note("a", "", "She has a cough. She denies fever.\n- Seen by Dr. Lee.")], encoding.embed)
    found = candidates_of(encoding.reader, index, index.search("fever"), "fever", 3)
    bounds = [(own.start, own.end) for own in index.sentences]
    assert found and len(found) <= len(bounds)
    assert all(any(low <= own.start < own.end <= high for low, high in bounds) for own in found)
