"""Sentences of clinical text: abbreviations, decimals, lists, and lines that merely wrap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.answers import ends_in_answer
from clinical.extraction.words import BREAK, required, table, text_of

# Either a mark that may end a sentence, with what closes after it, or a line break with the white space around it.
_CANDIDATE = re.compile(
    r"(?P<mark>[.!?](?![.!?]))(?P<close>[\"'”’)\]]{0,2})(?P<gap>[ \t]+|(?=[\n\r\x0b\x0c\x85\u2028\u2029])|$)"
    r"|(?P<line>[\n\r\x0b\x0c\x85\u2028\u2029]\s*)"
)
_LAST_WORD = re.compile(r"[\w.'/&-]{1,20}$")
_ITEM = re.compile(r"(?:[-*•·▪◦‣+>#]|\(?\d{1,2}[.)]|[A-Za-z][.)])[ \t]+\S|[-*•·]\S|#|\[[ xX]?\]|[☐☑☒]")
# Of a list within a line: "1) cough 2) fever", "(a)", "#2", "2. asthma", "•". A letter alone needs its bracket.
_MARKER = re.compile(
    r"(?<![^\s,;:])(?:(?P<closed>(?:\d{1,2}|[a-h])\))|\((?:\d{1,2}|[a-h])\)|#\s?\d{1,2}[.):]?|\d{1,2}\.|[•▪◦●])"
    r"(?=\s+[^\s\d])"
)
_NUMBER = re.compile(r"\(?\d{1,2}$")
_SHORT, _WIDE = 50, 130  # a line that was wrapped by a machine is between these lengths


@cache
def _abbreviations() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    rows = table("sentences")
    return frozenset(rows["never"]), frozenset(rows["before_capital"]), frozenset(rows["carries_on"])


def _ends_at_mark(text: str, sentence: int, match: re.Match[str]) -> bool:
    """Whether a full stop, and what follows it, ends the sentence that began at `sentence`."""
    following = text[match.end() : match.end() + 2]
    if not following or BREAK.match(following):
        return False  # the line break decides
    if match["mark"] != ".":
        return True
    tail = _LAST_WORD.search(text, max(sentence, match.start() - 20), match.start())
    word = tail[0].lower() if tail else ""
    never, before_capital, _ = _abbreviations()
    if word in never or (len(word) == 1 and word.isalpha() and text[match.start() - 1].isupper()):
        return False
    if _NUMBER.fullmatch(text, sentence, match.start()):
        return False  # "2." opens an item
    capital = following[0].isupper() or following[0].isdigit() or not following[0].isalnum()
    return capital and (word not in before_capital or following[0].isupper())


def _ends_at_line(text: str, line: int, match: re.Match[str]) -> bool:
    """Whether a line break ends a sentence, or only wraps it; `line` is where the ending line began."""
    if len(BREAK.findall(match[0])) > 1 or match.end() == len(text) or _ITEM.match(text, match.end()):
        return True
    before = text[max(line, match.start() - _WIDE) : match.start()].rstrip()
    if ends_in_answer(text, max(0, match.start() - _WIDE), line + len(text[line : match.start()].rstrip())):
        return True  # "no" behind a question is no word that goes on in the next line
    if before.endswith((".", "!", "?", ":", ";", "|")) or not before:
        tail = _LAST_WORD.search(before[:-1]) if before.endswith(".") else None
        return not (tail and tail[0].lower() in _abbreviations()[0])
    last = before.rsplit(maxsplit=1)[-1].lower()
    if before.endswith(",") or last in _abbreviations()[2]:
        return False
    length = match.start() - line
    return not (_SHORT <= length <= _WIDE or (text[match.end()].islower() and length >= _SHORT // 2))


def find_sentences(text: str) -> tuple[tuple[int, int], ...]:
    """The sentences of a text as (start, end), without white space at either end; linear in its length."""
    cuts = [0]
    line = 0
    for match in _CANDIDATE.finditer(text):
        if match["line"] is not None:
            if _ends_at_line(text, line, match):
                cuts.append(match.end())
            line = match.end()
        elif _ends_at_mark(text, cuts[-1], match):
            cuts.append(match.end())
    pairs = zip(cuts, [*cuts[1:], len(text)], strict=True)
    trimmed = ((end - len(text[start:end].lstrip()), start + len(text[start:end].rstrip())) for start, end in pairs)
    return tuple((start, end) for start, end in trimmed if start < end)


def item_starts(text: str) -> Iterator[int]:
    """Where items of lists begin, also within a line; "4)" of "(stage 4)" begins none."""
    for match in _MARKER.finditer(text):
        before = max(0, match.start() - _WIDE), match.start()
        if not match["closed"] or text.rfind("(", *before) <= text.rfind(")", *before):
            yield match.start()


def clinical_sentences(doc: Doc) -> Doc:
    """Sets `doc._.sentences`."""
    doc._.sentences = find_sentences(text_of(doc))
    return doc


def sentences_of(doc: Doc) -> tuple[tuple[int, int], ...]:
    """The sentences that were found before."""
    found: tuple[tuple[int, int], ...] = required(doc, "sentences")
    return found


Language.component("clinical_sentences", assigns=["doc._.sentences"], func=clinical_sentences)
