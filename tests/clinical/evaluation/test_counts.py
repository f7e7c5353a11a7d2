import numpy as np

from clinical.evaluation.counts import f1, score, share


def test_scores_and_their_interval():
    own = score(np.array([[2, 2, 2], [2, 1, 0]]))
    assert (own.marked, own.found, own.right) == (4, 3, 2)
    assert own.f1 == f1(np.array([[4, 3, 2]]))[0] == 4 / 7
    assert own.interval == (0.0, 1.0)


def test_nothing_marked_and_nothing_found_is_right():
    assert score(np.zeros((2, 3), np.int64)).f1 == 1.0
    assert share(np.array([1, 0]), np.array([1, 1]))[0] == 0.5
