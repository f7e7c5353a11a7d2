"""An extraction as plain data for JSON: every offset, and the words at it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from clinical.diagnosis import Extraction, intended_use


def as_data(text: str, found: Extraction) -> dict[str, Any]:
    """The extraction as JSON holds it, evidence with its words, and what it is for."""
    data = asdict(found)
    for suggestion in data["suggestions"]:
        for evidence in (*suggestion["evidence"], *suggestion["against"]):
            evidence["text"] = text[evidence["start"] : evidence["end"]]
            evidence["words"] = [text[start:end] for start, end in evidence["words"]]
    return {"intended_use": intended_use(), **data}
