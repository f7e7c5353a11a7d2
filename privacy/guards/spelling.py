"""Text in the one spelling in which it is compared: small letters, no accents, every character at its own place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

HIDDEN = "\x01"  # a character that a reader does not see, such as a zero-width joiner
_SHOWN_CONTROLS = "\t\n\r\v\f"
_WITHOUT_DECOMPOSITION = str.maketrans("øłđðæœßıþ", "olddaosit")
_WORD = re.compile(rf"[^\W\d_](?:{HIDDEN}*[^\W\d_])*")
# What may stand within a word that a writer or a line's end broke in two.
_BROKEN = re.compile(rf"['’`{HIDDEN}]|[-‐–]|[-‐–]?[ \t{HIDDEN}]*\r?\n[ \t]*")

Word = tuple[str, int, int]  # letters, and where they begin and end


class _Folding(dict[int, str]):
    """The folded form of each character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _folded(chr(code))
        return folded


def _folded(character: str) -> str:
    if character in _SHOWN_CONTROLS:
        return character
    base = unicodedata.normalize("NFKD", character)[0]
    if unicodedata.category(base) in ("Cc", "Cf", "Mn", "Me"):
        return HIDDEN
    return base.lower()[0].translate(_WITHOUT_DECOMPOSITION)


_FOLDING = _Folding()


def fold(text: str) -> str:
    """Small letters without accents, of the same length as `text`; hidden characters become `HIDDEN`."""
    return text.translate(_FOLDING)


def letters(text: str) -> str:
    """The letters of a text, folded."""
    return "".join(filter(str.isalpha, fold(text)))


def letters_and_digits(text: str) -> str:
    """The letters and digits of a text, folded."""
    return "".join(filter(str.isalnum, fold(text)))


def words(folded: str) -> list[Word]:
    """The runs of letters of a folded text."""
    return [(match.group().replace(HIDDEN, ""), *match.span()) for match in _WORD.finditer(folded)]


def mended(folded: str, found: list[Word]) -> Iterator[tuple[int, Word]]:
    """Two neighbours as one word, where an apostrophe, a hyphen or the end of a line stands between them.

    Each comes with the place of the first of the two in `found`.
    """
    for place, ((left, start, end), (right, begin, stop)) in enumerate(pairwise(found)):
        if (begin > end + 1 or folded[end] != " ") and _BROKEN.fullmatch(folded, end, begin):
            yield place, (left + right, start, stop)


def without_one(word: str) -> set[str]:
    """A word, and all that is left of it without one of its letters."""
    return {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}


def one_error_apart(left: str, right: str) -> bool:
    """Whether one letter added, left out, changed or swapped with its neighbour makes one of the other.

    The restricted edit distance of Damerau (1964) is 1.
    """
    if abs(len(left) - len(right)) > 1 or left == right:
        return False
    first = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    after_left, after_right = left[first:], right[first:]
    return (
        after_left[1:] == after_right[1:]
        or after_left[1:] == after_right
        or after_left == after_right[1:]
        or (after_left[2:] == after_right[2:] and after_left[1::-1] == after_right[:2])
    )
