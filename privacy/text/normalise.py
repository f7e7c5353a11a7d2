"""Text as a reader sees it: without characters that hide an identifier from a search, and with a way back.

Two views: `clean` keeps the text and takes away what is invisible or only looks like something else; `fold` keeps
nothing but letters and digits, without case and accents, so that one spelling of a name or a number finds all others.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

_PLAIN = re.compile(r"[\t\n\r\x20-\x7e]*")
# Characters that print nothing although Unicode does not call them format characters.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(c) for c in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
_SAME = {
    **dict.fromkeys("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", "\n"),
    **dict.fromkeys("\u2018\u201b\u02bc\u02b9\u2032\u00b4\uff07", "'"),
    **dict.fromkeys("\u2212\u2043\ufe63\u30fc", "-"),
    "\u2800": " ",
    **dict(zip("ﬀﬁﬂﬃﬄﬅﬆ", ["ff", "fi", "fl", "ffi", "ffl", "st", "st"], strict=True)),
}
_UNSEEN = ("Cf", "Cc")
# What characters of a category become; "" keeps them, for superscripts and ordinal signs have a sense of their own.
_KINDS = {"Cs": "\ufffd", "Zs": " ", "Pd": "-", "No": "", "Lm": "", "Sk": ""}
# Letters of other scripts that look Latin; they are read as Latin where they stand in a word with Latin letters.
_LOOKS_LATIN = str.maketrans(
    "аеорсухіјѕԁһԛԝАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "aeopcyxijsdhqwABEKMHOPCTYXIJSABEZHIKMNOPTYXo"
)
_LETTERS = re.compile(r"[^\W\d_]+")
_LATIN = re.compile(r"[A-Za-z]")
_TOKEN = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")
_NOT_DECOMPOSED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


@dataclass(frozen=True)
class Cleaned:
    """A cleaned text; `offsets[i]` is where its character `i` stands in the original, with one more for the end."""

    text: str = field(repr=False)
    offsets: Sequence[int] = field(repr=False)

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that `text[start:end]` came from, hidden characters inside it included."""
        first = self.offsets[start]
        return first, self.offsets[end - 1] + 1 if end > start else first


def clean(text: str) -> Cleaned:
    """`text` without invisible and control characters, its blanks, dashes, digits and look-alikes in plain ASCII.

    Letters with accents and whole words of other scripts stay as they are; a lone surrogate becomes U+FFFD.
    Cleaning twice is the same as once (Unicode Standard Annex 15 for the compatibility forms).
    """
    if _PLAIN.fullmatch(text):
        return Cleaned(text, range(len(text) + 1))
    pieces = [_seen(c) for c in text]
    offsets = [i for i, piece in enumerate(pieces) for _ in piece]
    return Cleaned(_LETTERS.sub(_one_script, "".join(pieces)), [*offsets, len(text)])


def _one_script(word: re.Match[str]) -> str:
    return word.group().translate(_LOOKS_LATIN) if _LATIN.search(word.group()) else word.group()


@cache
def _seen(character: str) -> str:
    """What a reader sees of one character: nothing, itself, or the plain characters that it looks like."""
    if character in _SAME or character in "\t\n\r":
        return _SAME.get(character, character)
    category = unicodedata.category(character)
    if category in _UNSEEN or character in _INVISIBLE:
        return ""
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category in _KINDS:
        return _KINDS[category] or character
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and plain.isascii() and character not in "ªº" else character


@dataclass(frozen=True)
class Folded:
    """The letters and digits of a text, without case and accents: `text` is the words of `words` written together.

    Args:
        spans: where each word stands in the original.
        starts: where each word starts in `text`, with one more for the end.
    """

    text: str = field(repr=False)
    spans: Sequence[tuple[int, int]] = field(repr=False)
    starts: Sequence[int] = field(repr=False)

    def word_at(self, offset: int) -> int:
        """The number of the word that holds the character `offset` of `text`."""
        return bisect_right(self.starts, offset) - 1

    def find(self, key: str) -> Iterator[tuple[int, int]]:
        """Ranges of whole words that, written together, are the folded `key`."""
        at = self.text.find(key) if key else -1
        while at >= 0:
            first, last = bisect_left(self.starts, at), bisect_left(self.starts, at + len(key))
            if self.starts[first] == at and self.starts[last] == at + len(key):
                yield first, last
            at = self.text.find(key, at + 1)


def fold(text: str) -> Folded:
    """The folded view of `text`; see `Folded`."""
    words, spans, starts, length = [], [], [0], 0
    for match in _TOKEN.finditer(text):
        word = fold_word(match.group())
        words.append(word)
        spans.append(match.span())
        length += len(word)
        starts.append(length)
    return Folded("".join(words), spans, starts)


def fold_word(word: str) -> str:
    """The letters and digits of `word` without case and accents."""
    if not word.isascii():
        plain = unicodedata.normalize("NFKD", word.casefold().translate(_NOT_DECOMPOSED))
        word = "".join(c for c in plain if c.isalnum())
    return "".join(c for c in word.casefold() if c.isalnum()) if not word.isalnum() else word.casefold()
