"""Text out of a FHIR attachment: plain text in its charset, HTML and RTF; anything else is refused and said."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

from policies.errors import InputError
from privacy.formats.narrative import html_text

LARGEST_NOTE = 2_000_000
# fmt: off
CHARSETS = frozenset((
    "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1", "iso-8859-15", "windows-1252", "cp1252",
    "utf-16", "utf-16le", "utf-16be",
))
# fmt: on
_RTF = b"{\\rtf"
_NOT_VALID = ("entered-in-error", "superseded")


class UnreadableNote(InputError):
    """An attachment that holds no text that can be read."""


def read_attachment(attachment: Mapping[str, Any], largest: int = LARGEST_NOTE) -> str:
    """The text of one attachment.

    Args:
        attachment: a FHIR Attachment (R4, 2.24.0.2): `contentType` and base64 `data`.
        largest: the most bytes that a note may have.

    Raises:
        UnreadableNote: no data, no base64, over the limit, empty, an unknown charset, or a format that is no text.
    """
    content_type, charset = _content_type(str(attachment.get("contentType") or "text/plain"))
    reader = _READERS.get(content_type)
    if reader is None:
        raise UnreadableNote(
            "the attachment is neither plain text, HTML nor RTF", "Export the note as text.", kind="not text"
        )
    data = _bytes(attachment, largest)
    text = (_rtf if data.startswith(_RTF) else reader)(data, charset)
    if not text.strip():
        raise UnreadableNote("the note is empty", kind="empty note")
    return text


def document_text(
    document: Mapping[str, Any],
    largest: int = LARGEST_NOTE,
    read: Callable[[Mapping[str, Any], int], str] = read_attachment,
) -> str:
    """The text of a DocumentReference: of the first content that can be read, for R4 allows the same note in several
    formats.

    Args:
        document: a FHIR DocumentReference (R4, 2.42.6), already parsed.
        largest: the most bytes that a note may have.
        read: gives the text of one Attachment.

    Raises:
        InputError: the document was entered in error or is superseded, or no content of it can be read: why the first
            cannot.
        KeyError, TypeError, AttributeError: it is no DocumentReference with content.
    """
    for name, own in (("status", document.get("status")), ("docStatus", document.get("docStatus"))):
        if own in _NOT_VALID:
            raise UnreadableNote(
                f"the document's {name} is '{own}'", "Name the document that counts.", kind="not valid"
            )
    refused: list[InputError] = []
    for content in document["content"]:
        try:
            return read(content["attachment"], largest)
        except InputError as error:
            refused.append(error)
    raise refused[0] if refused else KeyError("content")


def _content_type(header: str) -> tuple[str, str]:
    parsed = Message()
    parsed["content-type"] = header
    return parsed.get_content_type(), str(parsed.get_param("charset") or "").strip().lower()


def _bytes(attachment: Mapping[str, Any], largest: int) -> bytes:
    encoded = attachment.get("data")
    if not isinstance(encoded, str) or not encoded:
        where = "points to its text by url instead of holding it" if attachment.get("url") else "holds no data"
        raise UnreadableNote(f"the attachment {where}", "Export with the notes inside, as base64.", kind="no text")
    if len(encoded) * 3 // 4 > largest + 2:
        raise UnreadableNote(
            f"the note has over {largest} bytes",
            "Split the note, or raise 'largest_note_bytes' in the policy.",
            kind="note too large",
        )
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableNote("the attachment's data is not base64", kind="not base64") from None


def _plain(data: bytes, charset: str) -> str:
    if charset and charset not in CHARSETS:
        raise UnreadableNote("the attachment names an unknown charset", _known_charsets(), kind="unknown charset")
    if not charset:
        charset = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return data.decode("utf-8-sig" if charset in ("utf-8", "utf8") else charset)
    except UnicodeDecodeError:
        raise UnreadableNote(f"the note is not {charset} text", _known_charsets(), kind="unknown charset") from None


def _known_charsets() -> str:
    return f"Name the right charset in contentType, one of {', '.join(sorted(CHARSETS))}."


def _html(data: bytes, charset: str) -> str:
    try:
        return html_text(_plain(data, charset))
    except ValueError as error:  # says nothing of the text
        raise UnreadableNote(f"the attachment is {error}", "Export the note as text.", kind="broken HTML") from None


def _rtf(data: bytes, charset: str) -> str:
    from striprtf.striprtf import rtf_to_text

    try:
        return str(rtf_to_text(data.decode("latin-1"), errors="strict"))
    except (ValueError, LookupError, OverflowError):
        raise UnreadableNote("the attachment's RTF cannot be read", kind="broken RTF") from None


_READERS: Mapping[str, Callable[[bytes, str], str]] = {
    "text/plain": _plain,
    "text/html": _html,
    "application/xhtml+xml": _html,
    "text/rtf": _rtf,
    "application/rtf": _rtf,
}
