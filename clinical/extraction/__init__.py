"""Rule-based extraction: what a note says, where it says it, and whether it is true of the patient."""

from __future__ import annotations

from clinical.extraction.mentions import Assertion, Mention, NoteFacts, Section
from clinical.extraction.pipeline import assert_phrase, build_pipeline, load_pipeline, read_note

__all__ = [
    "Assertion",
    "Mention",
    "NoteFacts",
    "Section",
    "assert_phrase",
    "build_pipeline",
    "load_pipeline",
    "read_note",
]
