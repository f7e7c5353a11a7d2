"""A blind review of what de-identification left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clinical.review import Review, is_signed, reviews
from policies.guard import Site
from privacy.guards.certificate import Mark


def open_reviews(site: Site) -> dict[str, Review]:
    """Reviews that are not yet signed, by id, the oldest first."""
    return {review.id: review for review in reviews(site) if not is_signed(site, review)}


def mark_rows(text: str, marks: Sequence[Mark]) -> list[Mapping[str, Any]]:
    """What a reviewer has marked so far in a note."""
    return [{"Left": text[start:end], "As": category} for start, end, category in marks]
