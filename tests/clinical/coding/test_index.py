import pytest

from clinical.coding.index import TermIndex, alike

TERMS = [
    (("heart", "failure"), ()),
    (("failure", "liver"), ("acute",)),
    (("heart", "failure", "left"), ()),
    (("gout",), ()),
]


def found(*words):
    return [(match.row, match.score) for match in TermIndex(TERMS).best(words, 4)]


def test_the_same_words_score_one_and_others_less():
    ranked = found("heart", "failure")
    assert ranked[0] == (0, 1.0)
    assert [row for row, _ in ranked] == [0, 2, 1]
    assert all(0 < score < 1 for _, score in ranked[1:])


def test_a_side_that_the_phrase_leaves_out_costs_little():
    assert dict(found("heart", "failure"))[2] > 0.9


def test_words_in_parentheses_cost_nothing_and_count_where_they_are_said():
    assert dict(found("failure", "liver"))[1] == 1.0
    assert dict(found("failure", "liver", "acute"))[1] == 1.0


def test_nothing_in_common_is_no_match():
    assert found("asthma") == []
    assert found() == []


def test_a_misspelt_word_is_taken_for_the_nearest():
    index = TermIndex([(("pneumonia",), ()), (("gout",), ())])
    (match,) = index.best(["pnuemonia"], 2)
    assert (match.row, match.words) == (0, ("pnuemonia",))
    assert index.best(["gaut"], 2) == []  # a short word has too many neighbours


def test_one_term_is_scored_as_in_an_index():
    index = TermIndex(TERMS)
    for match in index.best(["heart", "failure"], 4):
        one = alike(match.row, ["heart", "failure"], TERMS[match.row][0], lambda word: index.weights[word])
        assert (one.score, set(one.words)) == (pytest.approx(match.score, abs=1e-4), set(match.words))
