"""Made-up facts of made-up notes, for properties that hold whatever a note says."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from clinical.diagnosis import Evidence, Extraction, NotAsked, Standing, Suggestion
from clinical.extraction.mentions import (
    Assertion,
    Attribute,
    AttributeKind,
    Kind,
    Mention,
    NoteFacts,
    Relation,
    RelationKind,
    Status,
)

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12).filter(str.strip)
VALUES = st.sampled_from(
    ["25", "1-2", "<0.5", "120/80", "1,200", "positive", "bid", "bid prn", "prn", "mg", "high", "in"]
)


@st.composite
def spans(draw: Any, length: int) -> tuple[int, int]:
    start = draw(st.integers(0, length - 1))
    return start, draw(st.integers(start + 1, length))


@st.composite
def mentions(draw: Any, text: str) -> Mention:
    (start, end), cue = draw(spans(len(text))), draw(spans(len(text)))
    status = draw(st.sampled_from(get_args(Status)))
    assertion = Assertion(status) if status == "present" else Assertion(status, text[slice(*cue)], *cue)
    kinds = draw(st.lists(st.sampled_from(get_args(AttributeKind)), unique=True, max_size=4))
    said = tuple(Attribute(kind, draw(VALUES), *draw(spans(len(text)))) for kind in kinds)
    kind, concept = draw(st.sampled_from(get_args(Kind))), draw(WORDS)
    return Mention(start, end, text[start:end], kind, concept, "", assertion, said)


@st.composite
def extractions(draw: Any) -> tuple[str, Extraction]:
    """A text, and what somebody might have read in it."""
    text = draw(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=60))
    found = tuple(sorted(draw(st.lists(mentions(text), max_size=6)), key=lambda one: one.start))
    relations = tuple(
        Relation(draw(st.sampled_from(get_args(RelationKind))), m.start, m.end, *draw(spans(len(text))), draw(WORDS))
        for m in found
    )
    sentences = ((0, len(text)),) if draw(st.booleans()) else ()
    calibrated = draw(st.booleans())
    evidence = st.builds(lambda span, weight: Evidence(*span, weight), spans(len(text)), st.floats(-9, 9))
    suggestion = st.builds(
        Suggestion, WORDS, WORDS, st.floats(0, 1), st.lists(evidence, max_size=3).map(tuple),
        st.lists(evidence, max_size=3).map(tuple),
        st.lists(st.builds(NotAsked, WORDS, st.floats(-9, 9), st.booleans()), max_size=2).map(tuple),
        st.booleans() if calibrated else st.none(),
    )  # fmt: skip
    refusal = draw(st.sampled_from(["", "not enough in this note"]))
    suggestions = () if refusal else tuple(draw(st.lists(suggestion, max_size=3)))
    standing = Standing(99, 0.9, (0.8, 0.95), (0.05, 0.0, 0.1), ("Gout",)) if calibrated and not refusal else None
    facts = NoteFacts((), sentences, found, relations)
    return text, Extraction(facts, suggestions, draw(st.sampled_from(["", "m1"])), refusal, "", standing)
