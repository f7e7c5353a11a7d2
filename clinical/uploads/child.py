"""The child process that reads an upload (`policies.confined`)."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Mapping
from typing import Any

from policies.confined import serve
from policies.errors import InputError

_PAGES = 300


def read(data: bytes, largest: int) -> dict[str, str]:
    """The text, and what a DocumentReference says of it; by the bytes, not by a name.

    Raises:
        InputError: no text in it.
    """
    if data.startswith(b"%PDF-"):
        return {"text": _pdf(data, largest)}
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and not data.startswith(b"{\\rtf"):
        return _document(data, largest)
    kind = "text/html" if data[:1000].lstrip().lower().startswith((b"<!doctype html", b"<html")) else "text/plain"
    return {"text": _attachment({"contentType": kind, "data": base64.b64encode(data).decode()}, largest)}


def _document(data: bytes, largest: int) -> dict[str, str]:
    from clinical.attachments import document_text

    try:
        document = json.loads(data)
        if document["resourceType"] != "DocumentReference":
            raise KeyError
        text = document_text(document, largest, _attachment)
        named = f"DocumentReference/{document['id']}" if "id" in document else ""
        return {"text": text, "document": named, "patient": str((document.get("subject") or {}).get("reference", ""))}
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        hint = "Upload one FHIR DocumentReference with the note inside, or the note itself."
        raise InputError("JSON, but no DocumentReference with content", hint) from None


def _attachment(attachment: Mapping[str, Any], largest: int) -> str:
    from clinical.attachments import read_attachment

    if str(attachment.get("contentType", "")).partition(";")[0].strip() == "application/pdf":
        return _pdf(base64.b64decode(str(attachment.get("data", ""))), largest)
    return read_attachment(attachment, largest)


def _pdf(data: bytes, largest: int) -> str:
    import logging

    from pypdf import PdfReader

    logging.disable()  # it logs what it stumbles over
    pages = PdfReader(io.BytesIO(data)).pages
    if len(pages) > _PAGES:
        raise InputError(f"the PDF has {len(pages)} pages, over {_PAGES}", "Upload the note alone.")
    text = "\n".join(page.extract_text() for page in pages)[:largest]
    if not text.strip():
        raise InputError("the PDF holds no text", "It may be a scan; upload a PDF with text, or paste the text.")
    return text


if __name__ == "__main__":
    serve(lambda data: read(data, int(sys.argv[1])))
