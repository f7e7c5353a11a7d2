"""Hands an upload to a child process (`policies.confined`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from policies.confined import ask
from policies.errors import InputError

KINDS = ("txt", "rtf", "html", "json", "pdf")
_UNREADABLE = "Upload plain text, RTF, HTML, a PDF with text, or one FHIR DocumentReference."


@dataclass(frozen=True)
class Uploaded:
    """The text of an upload; `document` and `patient` are FHIR references where the upload says them."""

    text: str = field(repr=False)
    document: str = field(default="", repr=False)
    patient: str = field(default="", repr=False)


def read_upload(data: bytes, largest: int) -> Uploaded:
    """The text of a file, whatever its name says that it is.

    Args:
        largest: the most bytes that it may have.

    Raises:
        InputError: it is empty or too large, holds no text, is of an unknown kind, or cannot be read within the limits.
    """
    if len(data) > largest:
        hint = "Split it, or let 'largest_note_bytes' in the policy be raised."
        raise InputError(f"{len(data)} bytes; the policy's largest note has {largest}", hint)
    if not data.strip():
        raise InputError("the file is empty", _UNREADABLE)
    return Uploaded(**ask("clinical.uploads.child", data, str(largest), hint=_UNREADABLE))
