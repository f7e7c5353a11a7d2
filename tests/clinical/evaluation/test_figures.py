"""The figures in docstrings are the ones that the commands print."""

import re
from functools import cache
from pathlib import Path

import pytest

import clinical.coding.ranking
import clinical.extraction.assertion
import clinical.extraction.relations
import clinical.extraction.sections
import clinical.sectioning.reader
from clinical.evaluation.assertions import evaluate_assertions
from clinical.evaluation.codes import evaluate_codes
from clinical.evaluation.relations import evaluate_relations
from clinical.evaluation.sections import HeadingScores, evaluate_sections

CORPORA = Path(__file__).resolve().parents[4] / "shared" / "data"
MODULES = (
    clinical.coding.ranking,
    clinical.extraction.assertion,
    clinical.extraction.relations,
    clinical.extraction.sections,
    clinical.sectioning.reader,
)
STATED = re.compile(r"^ +(\S+) +(\w+) +(\d\.\d{3}) \((\d\.\d{3})-(\d\.\d{3})\)", re.MULTILINE)
LINKED = ("all", "dose", "route", "value", "site")
LOOKED_UP = ("first", "among_five", "category_first", "category_among_five")
FIGURES = [(module.__name__, *figure) for module in MODULES for figure in STATED.findall(module.__doc__)]


@cache
def coded(corpus):
    return evaluate_codes(corpus, "held-out")


def measured(corpus, what):
    if what in ("headings", "labels"):
        scores = evaluate_sections(corpus)
        if isinstance(scores, HeadingScores):
            return scores.overall.f1, *scores.overall.interval
        return scores.accuracy, *scores.interval
    if what in LOOKED_UP:
        own = getattr(coded(corpus), what)
        return own.share, *own.interval
    if what in LINKED:
        related = evaluate_relations(corpus, "held-out")
        own = {"all": related.overall, **related.kinds}[what]
        return own.f1, *own.interval
    own = evaluate_assertions(corpus, "held-out").statuses[what]
    return own.f1, *own.interval


def test_every_component_states_figures():
    assert {name for name, *_ in FIGURES} == {module.__name__ for module in MODULES}


@pytest.mark.parametrize(("module", "corpus", "what", "figure", "low", "high"), FIGURES)
def test_what_is_stated_is_measured(module, corpus, what, figure, low, high):
    if not (CORPORA / corpus).exists():
        pytest.skip(f"{corpus} is not beside the project")
    assert [f"{own:.3f}" for own in measured(CORPORA / corpus, what)] == [figure, low, high]
