"""Where the label of a note comes from, and which label files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinical.labels import LabelRule, LabelSource, category_codes, condition_codes, read_label_rule
from policies.errors import InputError

RULE = LabelRule(LabelSource.CONDITION, ("lung", "heart"), {"J18.9": "lung", "I50": "heart", "X": "other"})


@pytest.mark.parametrize(
    ("codes", "labels"),
    [
        (["J18.9"], {"lung"}),
        (["J18.9", "I50"], {"lung", "heart"}),
        (["lung"], {"lung"}),
        (["X"], set()),
        (["unknown"], set()),
        ([], set()),
    ],
)
def test_codes_become_labels_of_the_closed_set(codes: list[str], labels: set[str]) -> None:
    assert RULE.of(codes) == labels


def test_codes_are_read_from_every_coding() -> None:
    concepts = [{"coding": [{"code": "a"}, {"display": "no code"}]}, {"text": "none"}, {"coding": [{"code": "b"}]}]
    assert list(category_codes({"category": concepts})) == ["a", "b"]
    assert list(category_codes({})) == list(condition_codes({})) == []
    assert list(condition_codes({"code": concepts[0]})) == ["a"]


def test_a_label_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "labels.toml"
    file.write_text('labels = ["lung", "heart"]\n[codes]\n"J18.9" = "lung"\n[titles]\nheart = "Heart failure"\n')
    rule = read_label_rule(file, LabelSource.CATEGORY)
    assert rule == LabelRule(LabelSource.CATEGORY, ("lung", "heart"), {"J18.9": "lung"}, {"heart": "Heart failure"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("labels = [", "no TOML"),
        ("", "list of at least two"),
        ('labels = ["a"]', "list of at least two"),
        ('labels = ["a", 1]', "list of at least two"),
        ('labels = ["a", "b", "a"]', "one label twice"),
        ('labels = ["a", "b"]\n[codes]\nx = "c"', "'x' belongs to 'c'"),
        ('labels = ["a", "b"]\n[titles]\nc = "See"', "'c' belongs to 'c'"),
    ],
)
def test_a_label_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "labels.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        read_label_rule(file, LabelSource.CATEGORY)
    assert str(file) in caught.value.message


def test_no_label_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such label file"):
        read_label_rule(tmp_path / "none.toml", LabelSource.CATEGORY)
