"""Tags are decoded into well-formed sequences, and the tagger that ships finds what stands in a note."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import clinical.entities.tagger
from clinical.entities.recipe.examples import LABELS
from clinical.entities.tagger import EntityTagger, best_tags, shipped_weights
from privacy.tagger.design import read_design

TAGS = ("O", "B-A", "I-A", "B-B", "I-B")
LOGITS = arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(5)), elements=st.floats(-9, 9, width=32))


def well_formed(tags: list[str]) -> bool:
    pairs = zip(["O", *tags], tags, strict=False)
    return all(not tag.startswith("I") or before[2:] == tag[2:] for before, tag in pairs)


def score(logits: np.ndarray, numbers: list[int]) -> float:
    return float(sum(row[number] for row, number in zip(logits.astype(float), numbers, strict=True)))


@given(LOGITS)
def test_the_best_tags_are_the_best_of_all_that_are_well_formed(logits: np.ndarray) -> None:
    found = best_tags(logits, TAGS)
    assert well_formed([TAGS[number] for number in found])
    everything = np.array(np.meshgrid(*[range(5)] * len(logits))).reshape(len(logits), -1).T if len(logits) else [[]]
    best = max(score(logits, list(own)) for own in everything if well_formed([TAGS[number] for number in own]))
    assert score(logits, found) == pytest.approx(best, abs=1e-3)


shipped = pytest.mark.skipif(not shipped_weights().is_file(), reason="run 'make entity-model' first")


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> EntityTagger:
    return EntityTagger(tmp_path_factory.mktemp("cache"))


@shipped
@pytest.mark.parametrize(
    ("head", "label", "written", "text"),
    [
        ("bc5cdr", "Chemical", "cisplatin", "Cisplatin-induced nephrotoxicity was seen in rats given cisplatin."),
        ("bc5cdr", "Disease", "nephrotoxicity", "Cisplatin-induced nephrotoxicity was seen in rats given cisplatin."),
        ("ncbi", "Disease", "breast cancer", "Mutations of BRCA1 predispose to breast cancer."),
        ("maccrobat", "Sign", "fever", "A 45-year-old man presented with fever and a dry cough for 3 days."),
        ("maccrobat", "Test", "X-ray", "A chest X-ray was done and he was treated with amoxicillin."),
        ("maccrobat", "Medication", "amoxicillin", "A chest X-ray was done and he was treated with amoxicillin."),
    ],
)
def test_entities_are_found(tagger: EntityTagger, head: str, label: str, written: str, text: str) -> None:
    found = [(text[start:end], name) for start, end, name in tagger.find(text)[head]]
    assert (written, f"{head}:{label}") in found


@shipped
@pytest.mark.parametrize("text", ["", " \n", "...", "x" * 5000, "a\x00b " * 300, "中文 病人", "FEVER\n\n- RASH"])
def test_any_text_is_read_and_spans_of_a_head_stand_apart(tagger: EntityTagger, text: str) -> None:
    for spans in tagger.find(text).values():
        assert all(0 <= start < end <= len(text) for start, end, _ in spans)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


@shipped
def test_what_ships_is_small_and_has_the_labels_of_the_recipe() -> None:
    path: Path = shipped_weights()
    assert path.stat().st_size < 5_000_000
    assert path.with_suffix(".md").read_text("utf-8").count("CC BY 4.0")
    assert read_design(path).labels == LABELS


@shipped
def test_the_figures_stated_are_those_of_the_card() -> None:
    card = shipped_weights().with_suffix(".md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in card.splitlines() if "| all |" in line]
    stated = re.findall(r"(\d\.\d{3}) \((\d\.\d{3}-\d\.\d{3})\)", str(clinical.entities.tagger.__doc__))
    assert stated == [(row[5], row[6]) for row in rows]
