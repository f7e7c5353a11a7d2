"""The words of a note: a linear-time tokenizer, a view for matching phrases, and the tables beside the rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc
from spacy.vocab import Vocab

from policies.files import table_of

# spaCy's own tokenizer is quadratic on a long run of punctuation; a note is other people's text.
_TOKEN = re.compile(r"(\s+|[^\W\d_]+|\d+(?:[.,]\d+)*|_+|[^\w\s])( ?)")
# The first two alternatives, a hyphen inside a word and a possessive, are dropped: "Crohn's", "follow-up".
_WORD = re.compile(r"(?<=\w)-(?=\w)|(?<=\w)['’]s\b|([^\W\d_]+|\d+(?:[.,]\d+)*|[^\w\s])")

# What ends a line, whatever system wrote the note; characters of one line alone.
BREAK = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
LINE = re.compile(r"[^\n\r\x0b\x0c\x85\u2028\u2029]+")

# "attributes_read" and "asserted" say that a step was made on the mentions; a wrong order is told by them.
for _name in (
    *("sections", "sentences", "mentions", "attributes_read", "asserted"),
    *("attributes_found", "relations", "words", "note"),
):
    Doc.set_extension(_name, default=None, force=True)


def table(name: str) -> dict[str, Any]:
    """The table `name`.toml that ships with this floor."""
    return table_of("clinical", f"tables/{name}")


class ClinicalTokenizer:
    """Cuts a note into letters, numbers, single marks and white space; every character is in one token."""

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        pairs = _TOKEN.findall(text)
        doc = Doc(self.vocab, words=[word for word, _ in pairs], spaces=[bool(space) for _, space in pairs])
        doc._.note = text
        return doc


def text_of(doc: Doc) -> str:
    """The text of a note; spaCy joins it anew from the tokens on every use of `doc.text`, which is slow."""
    text: str = doc.text if doc._.note is None else doc._.note
    return text


@dataclass(frozen=True)
class Words:
    """The words alone, so that a phrase is found across line breaks, double spaces and hyphens.

    `offsets[i]` is the (start, end) of word i in the note, `lower[i]` the word in small letters.
    """

    doc: Doc
    lower: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.offsets)


def words_of(doc: Doc) -> Words:
    """The words of a note, made once per document."""
    if doc._.words is None:
        doc._.words = _view(doc.vocab, text_of(doc))
    words: Words = doc._.words
    return words


def _view(vocab: Vocab, text: str) -> Words:
    found = [match for match in _WORD.finditer(text) if match[1]]
    written = [match[1] for match in found]
    lower = tuple(word.lower() for word in written)
    return Words(Doc(vocab, words=written), lower, tuple(match.span() for match in found))


def phrase_matcher(vocab: Vocab, phrases: Iterable[tuple[str, str]]) -> PhraseMatcher:
    """A matcher, blind to case, for (key, phrase) pairs."""
    matcher = PhraseMatcher(vocab, attr="LOWER")
    for key, phrase in phrases:
        matcher.add(key, [_view(vocab, phrase).doc])
    return matcher


def longest_matches(matcher: PhraseMatcher, words: Words) -> list[tuple[str, int, int]]:
    """Matches as (key, first word, end word) in order; of those that overlap, the longest, then the first."""
    taken: set[int] = set()
    kept = []
    for key, start, end in sorted(matcher(words.doc), key=lambda match: (match[1] - match[2], match[1])):
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            kept.append((matcher.vocab.strings[key], start, end))
    return sorted(kept, key=lambda match: match[1])


def required(doc: Doc, attribute: str) -> Any:
    """What an earlier component left on the document.

    Raises:
        ValueError: that component did not run.
    """
    value = doc._.get(attribute)
    if value is None:
        raise ValueError(f"'{attribute}' has not been set: the component that assigns it must run before")
    return value


def not_yet(doc: Doc, attribute: str) -> None:
    """See that a component runs before the one that assigns this: what it adds would be left out there in silence.

    Raises:
        ValueError: that component ran already.
    """
    if doc._.get(attribute) is not None:
        raise ValueError(f"'{attribute}' has been set: the component that assigns it must run after this one")
