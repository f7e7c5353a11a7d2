"""Corpora are read into text whose spans are the words that were marked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.entities.corpora import _apart, read_corpus
from policies.errors import InputError

IOB = """Selegiline\tB-Chemical
-\tO
induced\tO
Parkinson\tB-Disease
'\tI-Disease
s\tI-Disease
disease\tI-Disease
(\tO
PD\tB-Disease
)\tO
.\tO

No\tO
rash\tB-Disease
tremor\tB-Disease
Boston\tB-Place
"""


def written(corpus: str, path: Path) -> list[list[tuple[str, str]]]:
    return [[(d.text[a:b], label) for a, b, label in d.spans] for d in read_corpus(corpus, path)]


def test_marked_words_are_the_spans_and_text_is_spaced_as_written(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(IOB, "utf-8")
    [document] = read_corpus("bc5cdr", tmp_path / "train.tsv")
    assert document.text == "Selegiline-induced Parkinson's disease (PD).\nNo rash tremor Boston\n".replace("'s", "' s")
    assert written("bc5cdr", tmp_path / "train.tsv") == [
        [
            ("Selegiline", "Chemical"),
            ("Parkinson' s disease", "Disease"),
            ("PD", "Disease"),
            ("rash", "Disease"),
            ("tremor", "Disease"),
        ]
    ]


def test_documents_are_those_of_the_file_or_ten_sentences(tmp_path: Path) -> None:
    (tmp_path / "plain.tsv").write_text("rash\tB-Disease\n\n" * 25, "utf-8")
    assert [len(own) for own in written("ncbi", tmp_path / "plain.tsv")] == [10, 10, 5]
    said = "-DOCSTART-\tO\n\na\tO\n\nrash\tB-Disease\n\n-DOCSTART-\tO\n\nrash\tB-Disease\n"
    (tmp_path / "said.tsv").write_text(said, "utf-8")
    assert written("ncbi", tmp_path / "said.tsv") == [[("rash", "Disease")], [("rash", "Disease")]]


def test_brat_spans_in_parts_are_read_whole_and_other_types_are_left(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("A fever of the left and right leg for 3 days.", "utf-8")
    (tmp_path / "1.ann").write_text(
        "T1\tSign_symptom 2 7\tfever\nT2\tBiological_structure 15 19;30 33\tleft leg\nT3\tAge 40 44\tdays\n"
        "T4\tDuration 34 44\tfor 3 days\nE1\tSign_symptom:T1\nR1\tMODIFY Arg1:T1 Arg2:T2\n",
        "utf-8",
    )
    assert written("maccrobat", tmp_path) == [
        [("fever", "Sign"), ("left and right leg", "Anatomy"), ("for 3 days", "Duration")]
    ]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=12))
def test_kept_spans_never_overlap_and_every_lost_one_meets_a_kept_one(drawn: list[tuple[int, int]]) -> None:
    spans = [(start, start + size, "X") for start, size in drawn]
    kept = _apart(spans)
    assert all(a[1] <= b[0] for a, b in pairwise(kept))
    assert all(any(k[0] < s[1] and s[0] < k[1] for k in kept) for s in spans)


@pytest.mark.parametrize("text", ["", "rash B-Disease\n", "rash\tDisease\n"])
def test_what_is_no_corpus_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.tsv").write_text(text, "utf-8")
    with pytest.raises(InputError):
        read_corpus("bc5cdr", tmp_path / "x.tsv")


def test_missing_files_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_corpus("bc5cdr", tmp_path / "none.tsv")
    with pytest.raises(InputError):
        read_corpus("maccrobat", tmp_path)
