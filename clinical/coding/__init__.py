"""Codes for what a note says: ranked candidates, with the words that decide and what the note leaves open."""

from __future__ import annotations

from clinical.coding.ranking import Code, candidates

__all__ = ["Code", "candidates"]
