"""A note that somebody uploads: of unknown content, so it is read in a process of its own, with limits."""

from __future__ import annotations

from clinical.uploads.reading import KINDS, Uploaded, read_upload

__all__ = ["KINDS", "Uploaded", "read_upload"]
