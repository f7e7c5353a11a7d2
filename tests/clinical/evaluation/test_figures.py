"""The figures in docstrings are the ones that the commands print."""

import re
from pathlib import Path

import pytest

import clinical.extraction.assertion
import clinical.extraction.sections
import clinical.sectioning.reader
from clinical.evaluation.assertions import evaluate_assertions
from clinical.evaluation.sections import HeadingScores, evaluate_sections

CORPORA = Path(__file__).resolve().parents[4] / "shared" / "data"
MODULES = (clinical.extraction.assertion, clinical.extraction.sections, clinical.sectioning.reader)
STATED = re.compile(r"^ +(\S+) +(\w+) +(\d\.\d{3}) \((\d\.\d{3})-(\d\.\d{3})\)", re.MULTILINE)
FIGURES = [(module.__name__, *figure) for module in MODULES for figure in STATED.findall(module.__doc__)]


def measured(corpus, what):
    if what in ("headings", "labels"):
        scores = evaluate_sections(corpus)
        if isinstance(scores, HeadingScores):
            return scores.overall.f1, *scores.overall.interval
        return scores.accuracy, *scores.interval
    own = evaluate_assertions(corpus, "held-out").statuses[what]
    return own.f1, *own.interval


def test_every_component_states_figures():
    assert {name for name, *_ in FIGURES} == {module.__name__ for module in MODULES}


@pytest.mark.parametrize(("module", "corpus", "what", "figure", "low", "high"), FIGURES)
def test_what_is_stated_is_measured(module, corpus, what, figure, low, high):
    if not (CORPORA / corpus).exists():
        pytest.skip(f"{corpus} is not beside the project")
    assert [f"{own:.3f}" for own in measured(CORPORA / corpus, what)] == [figure, low, high]
