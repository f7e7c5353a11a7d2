"""The codes that stand in an output: the best candidate of each system, where its name says what the note says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clinical.coding import Code, candidates

if TYPE_CHECKING:
    from clinical.coding.library import Library
    from clinical.extraction.mentions import Kind

_SURE = 0.9  # of a candidate's score


def sure_codes(phrase: str, kind: Kind, library: Library | None) -> tuple[Code, ...]:
    """At most one code of each system, chosen by nobody.

    Args:
        phrase: as the note has it.
        library: what the hospital imported; without it there is ICD-10-CM alone.
    """
    best: dict[str, Code] = {}
    for one in candidates(phrase, kind, library=library):
        if one.score >= _SURE:
            best.setdefault(one.system, one)
    return tuple(best.values())
