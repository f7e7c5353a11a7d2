import base64
import time

import pytest

from clinical.attachments import UnreadableNote, document_text, read_attachment

TEXT = "Seen today: café, naïve – 5 µg"


def attachment(data, content_type="text/plain"):
    return {"contentType": content_type, "data": base64.b64encode(data).decode()}


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf-16", "utf-16le", "windows-1252", "cp1252"])
def test_plain_text_in_its_charset(charset):
    assert read_attachment(attachment(TEXT.encode(charset), f'text/plain; charset="{charset}"')) == TEXT


def test_latin_1():
    assert read_attachment(attachment("café".encode("latin-1"), "text/plain;charset=ISO-8859-1")) == "café"


def test_without_a_charset_it_is_utf_8_or_has_a_mark_of_its_byte_order():
    assert read_attachment(attachment(TEXT.encode())) == TEXT
    assert read_attachment(attachment(TEXT.encode("utf-16"))) == TEXT
    assert read_attachment({"data": base64.b64encode(b"plain").decode()}) == "plain"


def test_html_shows_what_a_browser_shows():
    page = (
        b"<html><head><title>Zebulon</title><style>p{}</style><script>var Zebulon = 1 < 2;</script></head><body>"
        b"<!-- Zebulon --><p>Seen&nbsp;today &amp; well</p><ul><li>one</li><li>two</li></ul><b>bo</b>ld</body></html>"
    )
    text = read_attachment(attachment(page, "text/html; charset=utf-8"))
    assert [line for line in text.splitlines() if line.strip()] == ["Seen today & well", "one", "two", "bold"]


def test_rtf_becomes_text_whatever_its_type_says():
    rtf = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0\fs20 Seen today: caf\'e9\par well\par}"
    for content_type in ("application/rtf", "text/rtf", "text/plain"):
        assert read_attachment(attachment(rtf, content_type)).split() == ["Seen", "today:", "café", "well"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (attachment(b"x", "text/plain; charset=klingon"), "unknown charset"),
        (attachment(b"x", "text/plain; charset=rot13"), "unknown charset"),
        (attachment(b"caf\xe9"), "unknown charset"),
        (attachment(b"caf\xe9", "text/plain; charset=utf-8"), "unknown charset"),
        (attachment(b"%PDF-1.7", "application/pdf"), "not text"),
        (attachment(b"\x89PNG", "image/png"), "not text"),
        (attachment(b"  \n\t "), "empty note"),
        (attachment(b"<p> </p>", "text/html"), "empty note"),
        ({"contentType": "text/plain", "data": "not base64!"}, "not base64"),
        ({"contentType": "text/plain", "data": "abc"}, "not base64"),
        ({"contentType": "text/plain", "url": "https://example.org/note"}, "no text"),
        ({"contentType": "text/plain"}, "no text"),
        ({"contentType": "text/plain", "data": 5}, "no text"),
    ],
)
def test_what_cannot_be_read_is_said(content, kind):
    with pytest.raises(UnreadableNote) as caught:
        read_attachment(content)
    assert caught.value.kind == kind
    assert caught.value.hint


def test_a_note_over_the_limit_is_refused_and_one_at_the_limit_is_not():
    assert read_attachment(attachment(b"x" * 1000), largest=1000) == "x" * 1000
    with pytest.raises(UnreadableNote, match="1000 bytes"):
        read_attachment(attachment(b"x" * 1004), largest=1000)
    with pytest.raises(UnreadableNote, match="2000000 bytes"):
        read_attachment(attachment(b"x" * 5_000_000))


def test_messages_hold_nothing_of_the_note():
    for content in (
        attachment(b"Zebulon\xff"),
        attachment(b"x", "text/plain; charset=Zebulon"),
        attachment(b"x", "Zebulon/x"),
    ):
        with pytest.raises(UnreadableNote) as caught:
            read_attachment(content)
        assert "ebulon" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("piece", ["<a ", "<a b='", "<!--", "<script ", "<a/", "<a =", "x <a", "<?"])
def test_tags_that_do_not_end_are_refused_before_they_cost_time(piece):
    with pytest.raises(UnreadableNote, match="tags that do not end") as refused:
        read_attachment(attachment((piece * 200_000).encode(), "text/html"))
    assert refused.value.kind == "broken HTML"


@pytest.mark.parametrize(
    "piece", ["<a " * 3000 + ">", "<a b='" * 1500 + ">", '<a b="' * 1500 + '">', "<!--" * 2000 + "-->"]
)
def test_time_grows_with_the_page_and_not_with_its_square(piece):
    started = time.process_time()
    read_attachment(attachment(b"seen " + piece.encode() * 60, "text/html"))
    assert time.process_time() - started < 4.0


def test_a_picture_in_the_page_and_signs_of_less_and_more_are_read():
    picture = b"<img src='data:image/png;base64," + b"A" * 50_000 + b"'/>"
    page = b"<p>K <3.5, Na > 130</p>" + picture + b"<p>Well, <2 days" + b" x" * 9000
    text = read_attachment(attachment(page, "text/html"))
    assert " ".join(text.split()[:8]) == "K <3.5, Na > 130 Well, <2 days"


def document(*attachments, **more):
    return {"content": [{"attachment": own} for own in attachments], **more}


def test_one_note_in_two_formats_is_read_once():
    text, html = attachment(b"Denies fever."), attachment(b"<p>Denies fever.</p>", "text/html")
    pdf = attachment(b"%PDF-1.7", "application/pdf")
    for own in (document(text, html), document(pdf, html), document(html, pdf)):
        assert document_text(own).strip() == "Denies fever."
    with pytest.raises(UnreadableNote, match="neither plain text"):
        document_text(document(pdf, attachment(b"")))
    with pytest.raises(KeyError):
        document_text(document())


@pytest.mark.parametrize("name", ["status", "docStatus"])
def test_what_was_entered_in_error_is_no_note(name):
    text = attachment(b"Denies fever.")
    with pytest.raises(UnreadableNote, match=f"{name} is 'entered-in-error'"):
        document_text(document(text, **{name: "entered-in-error"}))
    assert document_text(document(text, status="current", docStatus="final")) == "Denies fever."


def test_a_document_that_another_replaced_is_not_read():
    with pytest.raises(UnreadableNote, match="'superseded'"):
        document_text(document(attachment(b"Denies fever."), status="superseded"))
