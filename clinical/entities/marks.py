"""What dictionaries say of each word: the tagger's features beside the shapes of words.

The lists are the Disease Ontology (CC0; `diseases.txt`, made by the recipe) and the dictionary of extraction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from clinical.extraction.entities import dictionary
from privacy.tagger.words import Words

# What the weights learned from, in this order; devices stood among the procedures then.
_LISTS = ("disease", "problem", "finding", "medication", "test", "procedure", "anatomy")
_LISTED_AS = {"device": "procedure"}
MARKS = 2 * len(_LISTS)  # for each list: the first word of a name, a later word of one
_LONGEST = 8
_WORD = re.compile(r"\w+|[^\w\s]")


def marks_of(words: Words) -> NDArray[np.uint8]:
    """Which words are part of a listed name, `[W, MARKS]` of 0 and 1; of names that overlap the longest, from the left.

    Abbreviations are no part of the lists: what they mean is for the tagger to say.
    """
    marks = np.zeros((len(words), MARKS), np.uint8)
    stems = [_stem(words.word(index)) for index in range(len(words))]
    first = 0
    while first < len(stems):
        size = next((n for n in range(_longest(stems[first]), 0, -1) if tuple(stems[first : first + n]) in _names()), 0)
        for name in _names()[tuple(stems[first : first + size])] if size else ():
            marks[first, 2 * name] = 1
            marks[first + 1 : first + size, 2 * name + 1] = 1
        first += size or 1
    return marks


def _stem(word: str) -> str:
    lower = word.lower()
    return lower[:-1] if len(lower) > 4 and lower.endswith("s") and not lower.endswith(("ss", "is", "us")) else lower


def _longest(stem: str) -> int:
    return _lengths().get(stem, 0)


@cache
def _names() -> dict[tuple[str, ...], tuple[int, ...]]:
    """The numbers of the lists that hold a name, by its stems."""
    found: dict[tuple[str, ...], tuple[int, ...]] = {}
    ours = (
        (name.phrase, _LISTS.index(_LISTED_AS.get(name.kind, name.kind)))
        for name in dictionary().values()
        if not name.exact
    )
    diseases = files("clinical.entities").joinpath("diseases.txt").read_text("utf-8").splitlines()
    for phrase, number in (*((disease, 0) for disease in diseases), *ours):
        stems = tuple(_stem(word) for word in _WORD.findall(phrase))
        if stems and len(stems) <= _LONGEST and number not in found.get(stems, ()):
            found[stems] = (*found.get(stems, ()), number)
    return found


@cache
def _lengths() -> dict[str, int]:
    """The length of the longest name that begins with a stem."""
    longest: dict[str, int] = {}
    for stems in _names():
        longest[stems[0]] = max(longest.get(stems[0], 0), len(stems))
    return longest


def disease_names(ontology: Iterable[str]) -> list[str]:
    """The names and synonyms of a Disease Ontology in OBO that may stand in a text, in small letters and sorted."""
    found: set[str] = set()
    for term in "".join(ontology).split("\n\n"):
        if term.startswith("[Term]") and "is_obsolete: true" not in term:
            names = re.findall(r'^(?:name: |synonym: ")([^"\n]+)', term, re.MULTILINE)
            found.update(name.lower() for name in names if not re.search(r"[\[\](){}]|\bnos\b", name.lower()))
    return sorted(name for name in found if len(name) > 3 and len(_WORD.findall(name)) <= _LONGEST)
