"""A note read by everything there is: the rules of extraction, beside its dictionary the trained tagger, and last the
labels of sections whose heading says nothing: they come when all mentions are judged, and change none of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from clinical.extraction.entities import concepts
from clinical.extraction.mentions import NoteFacts
from clinical.extraction.pipeline import RULES, build_pipeline, facts_of
from privacy.text.spans import Span

if TYPE_CHECKING:
    from spacy.language import Language

_PLACE = RULES.index("clinical_entities") + 1
COMPONENTS = (*RULES[:_PLACE], "clinical_tagger", *RULES[_PLACE:], "clinical_section_labels")


@cache
def load_pipeline() -> Language:
    """The pipeline of this process, built once; what is trained opens with the first note that it reads."""
    from clinical.entities import component  # noqa: F401  it registers
    from clinical.sectioning import reader  # noqa: F401  it registers

    return build_pipeline(COMPONENTS)


def read_with_tagger(text: str, identifiers: Iterable[Span] = ()) -> NoteFacts:
    """The facts of one note; defined for every text, the empty one included.

    Args:
        identifiers: of the note; what the tagger found there is a name or a number, whatever it took it for.
    """
    facts = facts_of(load_pipeline(), text)
    starts, ends = _apart(identifiers)
    kept = tuple(
        own
        for own in facts.mentions
        if own.concept in concepts() or bisect_right(ends, own.start) == bisect_left(starts, own.end)
    )
    there = {own.start for own in kept}
    relations = tuple(own for own in facts.relations if own.head_start in there)
    return replace(facts, mentions=kept, relations=relations)


def _apart(spans: Iterable[Span]) -> tuple[list[int], list[int]]:
    """Starts and ends of spans, those that touch made one."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted((own.start, own.end) for own in spans):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends
