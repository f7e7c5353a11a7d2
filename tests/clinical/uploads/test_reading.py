"""Uploads: text comes out of what is text, and everything else ends as a sentence, within the limits."""

from __future__ import annotations

import base64
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.uploads import read_upload
from clinical.uploads.child import read
from policies.confined import answer_of
from policies.errors import InputError

LARGEST = 100_000


def pdf(*lines):
    from reportlab.pdfgen.canvas import Canvas

    stream = io.BytesIO()
    canvas = Canvas(stream)
    for number, line in enumerate(lines):
        canvas.drawString(50, 800 - 20 * number, line)
    canvas.showPage()
    canvas.save()
    return stream.getvalue()


def document(data, content_type="text/plain", **more):
    attachment = {"contentType": content_type, "data": base64.b64encode(data).decode()}
    return json.dumps({"resourceType": "DocumentReference", "content": [{"attachment": attachment}], **more}).encode()


def test_text_html_rtf_pdf_and_fhir_give_their_text():
    assert read_upload(b"Denies fever.", LARGEST).text == "Denies fever."
    for data in (
        b"\xef\xbb\xbfDenies fever.",
        b"<!DOCTYPE html><html><body><p>Denies <b>fever</b>.</p><script>x()</script></body></html>",
        rb"{\rtf1 Denies fever.}",
        pdf("Denies fever."),
        document(b"Denies fever."),
        document(pdf("Denies fever."), "application/pdf"),
    ):
        text = read(data, LARGEST)["text"]
        assert text.strip() == "Denies fever." and "x()" not in text


def test_a_document_says_what_and_whose_it_is():
    found = read_upload(document(b"x", id="7", subject={"reference": "Patient/3"}), LARGEST)
    assert (found.document, found.patient) == ("DocumentReference/7", "Patient/3") and "3" not in repr(found)


def test_a_document_in_two_formats_is_read_once_and_not_if_it_was_an_error():
    two = json.loads(document(pdf("Denies fever."), "application/pdf"))
    two["content"] += json.loads(document(b"Denies fever."))["content"]
    assert read(json.dumps(two).encode(), LARGEST)["text"].split() == ["Denies", "fever."]
    with pytest.raises(InputError, match="entered-in-error"):
        read(document(b"Denies fever.", status="entered-in-error"), LARGEST)


def test_what_is_no_note_is_refused_with_a_sentence_that_has_nothing_of_it():
    for data in (
        b"", b" \n", b"\xff\xfe\xfd", b"PK\x03\x04\x00\xff", b"%PDF-1.7 Zebulon", pdf(), b'{"a": "Zebulon"}',
        b'{"resourceType": "DocumentReference", "content": "Zebulon"}', b"{" * 5000, document(b"x", "image/png"),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            read_upload(data, LARGEST)
        assert "Zebulon" not in caught.value.message and caught.value.hint
    with pytest.raises(InputError, match="largest note"):
        read_upload(b"x" * 11, 10)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_end_in_text_or_in_a_refusal(data):
    for whole in (data, b"%PDF-1.4" + data, b'{"resourceType"' + data):
        told = answer_of(lambda given: read(given, LARGEST), whole)
        assert "error" in told or "text" in told["found"]
