"""One person's names in a text, in whatever order, case and spelling a note has them.

Each known word is looked for in the folded text; words that stand together make a name. What stands alone must look
like a name: `tables/roster.toml` says which words are also words of the language or of medicine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from policies.files import table_of
from privacy.text.identifiers import stop_words
from privacy.text.normalise import Folded, fold_word

SHORTEST_LONE_NAME = 3
# Between the letters of one word: an apostrophe, a dash, the end of a line.
_INSIDE = re.compile(r"['’`-]|-?[ \t]*\r?\n[ \t]*")
# Between two words of one name; the end of a sentence parts them.
_BETWEEN = re.compile(r"""(?!\.\s)[\s.,'’^~_|/"“”()&-]{1,4}""")
_AFTER_INITIAL = re.compile(r"\.?[ ^,]{0,2}")
_BEFORE_INITIAL = re.compile(r",?[ ^]{1,2}")
_LINE = re.compile(r"\n.*\n", re.DOTALL)
_TITLE = re.compile(
    r"(?i:\b(?:mr|mrs|ms|miss|mx|dr|prof|rev|sr|sra|srta|patient|pt|name|baby|daughter|son|wife|husband|mother|father"
    r"|sister|brother|aunt|uncle|niece|nephew|cousin|partner|friend|neighbou?r|nurse|named|called|dear|attn|re|signed)"
    r"[.:,]{0,2}\s{1,2}[\"“(]?)$"
)
_OF_TIME = re.compile(r"(?i:\b(?:in|since|until|till|of|by|last|this|next|early|late|mid|from|on|through)[\s-]+)$")
_ACTS = re.compile(
    r"(?:[ ]|['’]s[ ])(?:reports?|reported|denie[sd]|state[sd]|says|said|complain(?:s|ed)|lives|works|slept|ate|walked"
    r"|agreed|asked|wants|told|called|feels|felt|underwent|is a \d|was born|mother|father|wife|husband|daughter|son"
    r"|sister|brother|family|parents)\b"
)
_MID_SENTENCE = re.compile(r"(?<![.!?:;])[a-z,][ ]{1,2}$")


def _table() -> Mapping[str, Mapping[str, Any]]:
    return table_of("privacy", "tables/roster")


@cache
def words(section: str, name: str) -> frozenset[str]:
    """A list of words of the table."""
    return frozenset(_table()[section][name].split())


def street_words() -> list[list[str]]:
    """Words of street addresses, each with its short forms."""
    return [row.split() for row in _table()["places"]["streets"]]


@cache
def _nicknames() -> Mapping[str, frozenset[str]]:
    same: dict[str, set[str]] = {}
    for row in map(str.split, _table()["names"]["nicknames"]):
        for word in row:
            same.setdefault(word, set()).update(row)
    return {word: frozenset(others - {word}) for word, others in same.items()}


def nicknames(given: str) -> frozenset[str]:
    """Other forms of a folded given name."""
    return _nicknames().get(given, frozenset())


@cache
def _thing() -> re.Pattern[str]:
    return re.compile(rf"(?i:['’]?s?[ -](?:{'|'.join(sorted(words('words', 'things')))})s?\b)|-[a-z]")


@dataclass(frozen=True)
class _Word:
    """A known word at tokens `first` to `last` of the folded text, characters `start` to `end` of the text."""

    key: str
    first: int
    last: int
    start: int
    end: int


@dataclass(frozen=True)
class Names:
    """The folded words of one person's names.

    Args:
        words: each word, parts of a double name both together and apart, and whether a blank may stand inside it.
        initials: first letters of the words, in upper case.
        lower: which words count in lower case when they stand alone; all if not given.
    """

    words: Mapping[str, bool]
    initials: frozenset[str] = frozenset()
    lower: frozenset[str] | None = None

    def find(self, text: str, folded: Folded) -> Iterator[tuple[int, int]]:
        """Where the person is named in `text`; `folded` is its folded view."""
        for chain in _chains(text, self._occurrences(text, folded), folded):
            start, before = self._initials_before(text, chain[0], folded)
            end, after = self._initial_after(text, chain[-1], folded)
            if self._names_a_person(text, chain, initial=before or after):
                yield start, end

    def _occurrences(self, text: str, folded: Folded) -> list[_Word]:
        found = (
            _Word(key, first, last, folded.spans[first][0], folded.spans[last - 1][1])
            for key, apart in self.words.items()
            for first, last in folded.find(key)
            if all(
                (_BETWEEN if apart else _INSIDE).fullmatch(text, a[1], b[0])
                for a, b in pairwise(folded.spans[first:last])
            )
        )
        return sorted(found, key=lambda w: (w.first, -w.last))

    def _initials_before(self, text: str, word: _Word, folded: Folded) -> tuple[int, bool]:
        """Where the name starts with the initials before it, and whether one of them is the person's."""
        start, own = word.start, False
        for at in range(word.first - 1, max(word.first - 3, -1), -1):
            (a, b), letter = folded.spans[at], text[slice(*folded.spans[at])]
            mine, dotted = letter in self.initials, text[b : b + 1] == "."
            if not (len(letter) == 1 and letter.isupper() and (mine or dotted)):
                break
            if not _AFTER_INITIAL.fullmatch(text, b, start) or text[max(0, a - 1) : a] in ("-", "/", "'"):
                break
            start, own = a, own or (mine and (dotted or text[b : b + 1] == " "))
        return start, own

    def _initial_after(self, text: str, word: _Word, folded: Folded) -> tuple[int, bool]:
        """Where the name ends with the initial after it, and whether it is the person's."""
        if word.last >= len(folded.spans):
            return word.end, False
        a, b = folded.spans[word.last]
        if text[a:b] not in self.initials or not _BEFORE_INITIAL.fullmatch(text, word.end, a):
            return word.end, False
        dotted = text[b : b + 1] == "."
        if not dotted and text[b : b + 1].strip(" \t\r\n,;:)^|"):
            return word.end, False
        return b + dotted, text[word.end] in ",^"

    def _names_a_person(self, text: str, chain: list[_Word], initial: bool) -> bool:
        spelled = [text[w.start : w.end] for w in chain]
        capital = [not s[0].islower() for s in spelled]
        if len({w.key for w in chain}) > 1:
            return all(capital) or any(self._in_lower_case(w.key) for w in chain)
        if initial and all(capital):
            return True
        return not _thing().match(text, chain[-1].end) and any(
            self._stands_alone(text, w, s) for w, s in zip(chain, spelled, strict=True)
        )

    def _stands_alone(self, text: str, word: _Word, spelled: str) -> bool:
        before = text[max(0, word.start - 20) : word.start]
        if spelled[0].islower():
            return len(word.key) > SHORTEST_LONE_NAME and self._in_lower_case(word.key)
        if _TITLE.search(before):
            return True
        if len(word.key) <= SHORTEST_LONE_NAME and spelled.isupper():  # Ana is a name, ANA a test of the blood
            return False
        if not _is_word(word.key):
            return True
        if _ACTS.match(text, word.end):
            return not _OF_TIME.search(before)
        return not _is_eponym(word.key) and not spelled.isupper() and bool(_MID_SENTENCE.search(before))

    def _in_lower_case(self, key: str) -> bool:
        return (self.lower is None or key in self.lower) and not _is_word(key)


def _is_eponym(key: str) -> bool:
    return key in words("words", "eponyms")


@cache
def _is_word(key: str) -> bool:
    return (
        len(key) < SHORTEST_LONE_NAME
        or _is_eponym(key)
        or key in words("words", "common")
        or key in words("names", "particles")
        or key in stop_words()
    )


def _chains(text: str, found: Iterable[_Word], folded: Folded) -> Iterator[list[_Word]]:
    """Runs of words that stand together, with at most two particles or letters between them."""
    chain: list[_Word] = []
    for word in found:
        if chain and word.first < chain[-1].last:
            continue  # a part of the double name before
        if chain and _together(text, chain[-1], word, folded):
            chain.append(word)
            continue
        if chain:
            yield chain
        chain = [word]
    if chain:
        yield chain


def _together(text: str, left: _Word, right: _Word, folded: Folded) -> bool:
    between = folded.spans[left.last : right.first]
    if len(between) > 2:
        return False
    small = all(b - a == 1 or text[a:b].lower() in words("names", "particles") for a, b in between)
    edges = [left.end, *(e for span in between for e in span), right.start]
    gaps = list(zip(edges[::2], edges[1::2], strict=True))
    after_letter = [False, *(b - a == 1 for a, b in between)]
    return (
        small
        and all(
            (letter and _AFTER_INITIAL.fullmatch(text, *gap)) or _BETWEEN.fullmatch(text, *gap)
            for gap, letter in zip(gaps, after_letter, strict=True)
        )
        and not _LINE.search(text, left.end, right.start)
    )


def name_words(family: str, given: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The folded words under which one name may stand, and whether a blank may stand inside: whole, in its parts, run
    together, and as nicknames."""
    for name in (family, *given):
        pieces = [fold_word(p) for p in re.split(r"[\s'’-]+", name) if p]
        yield from ((key, False) for key in pieces if len(key) > 1 and not _is_particle(key))
        if len(pieces) > 1:
            yield "".join(pieces), True
    if given:
        first, last = fold_word(given[0]), fold_word(family)
        yield from ((key, False) for key in (*nicknames(first), first + last, last + first) if len(key) > 1)


def _is_particle(key: str) -> bool:
    return key in words("names", "particles")
