"""Whole made-up notes: a head, sections of sentences, a signature, in the habits of many hands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from privacy.tagger.recipe.compose import Cast, Marked, joined, layouts
from privacy.tagger.recipe.corpora import Paragraph
from privacy.tagger.recipe.people import Names, choose, listed

# Where a sentence of a corpus speaks of somebody or some place, one of the slots may take that place.
_KIN = "wife|husband|mother|father|son|daughter|sister|brother"
_PHYSICIAN = (
    "cardiologist|neurologist|surgeon|oncologist|primary care physician|PCP|urologist|physician|psychiatrist|nurse"
)
_SPOKEN = (
    (r"\b(?:The|the|This|this) (?:patient|pt)\b(?=['’]s|[ .,;])", ("{patient}",), 0.35),
    (r"^Patient\b(?= [a-z])", ("{patient}", "Patient {last}", "Pt {last}"), 0.4),
    (r"^(?:He|She)\b(?= )", ("{patient}", "{first}", "{last}"), 0.12),
    (
        rf"\b(?:his|her|the|His|Her) (?:{_KIN})\b(?= [a-z]|[.,])",
        ("{0} {relative}", "{0}, {relative},", "{0} ({relative})", "{0} {relfull}"),
        0.35,
    ),
    (
        rf"\b(?:his|her|the|our|by|to|a) (?:{_PHYSICIAN})\b(?= [a-z]|[.,])",
        ("{0}, {doctor},", "{0} {doctor}", "{0} ({doctorlast})", "{0}, {doctorplain}, {credential},"),
        0.5,
    ),
    (r"\b(?:the|our|a local|another|this|an outside) (?:hospital|institution|clinic)\b", ("{hospital}",), 0.4),
    (
        r"\b(?:the|our) (?:emergency department|emergency room|clinic|intensive care unit)\b",
        ("{0} at {hospital}", "{0} of {hospital}"),
        0.2,
    ),
)
_KINDS = ("running", "social", "relatives", "staff", "places", "negatives", "openers", "clipped", "sheets")
_WEIGHTS = (24, 18, 13, 18, 9, 42, 6, 26, 28)


def spoken(rng: Random, cast: Cast, sentence: str) -> Marked:
    """A sentence of a corpus, with made-up identifiers where it speaks of a person or a hospital."""
    for pattern, slots, chance in _SPOKEN:
        found = re.search(pattern, sentence)
        if found and rng.random() < chance:
            before, after = sentence[: found.start()], sentence[found.end() :]
            return Marked(before) + cast.fill(choose(rng, slots).replace("{0}", found.group())) + Marked(after)
    return Marked(sentence)


class Writer:
    """Writes notes with the names of one half of the split and the sentences of the same half."""

    def __init__(self, rng: Random, pool: Names, paragraphs: Sequence[Paragraph]) -> None:
        self.rng, self.pool = rng, pool
        self.abstracts = [p for p in paragraphs if p.document.startswith(("bc5cdr", "ncbi"))]
        self.notes = [p for p in paragraphs if not p.document.startswith(("bc5cdr", "ncbi"))]

    def note(self) -> Marked:
        """One note."""
        rng, cast = self.rng, Cast(self.rng, self.pool)
        parts = [cast.fill(choose(rng, layouts()["headers"]))] if rng.random() < 0.6 else []
        parts += [self._section(cast) for _ in range(rng.randrange(1, 4))]
        if rng.random() < 0.45:
            parts.append(cast.fill(choose(rng, layouts()["signatures"])))
        return self._typed(joined(parts, choose(rng, ("\n\n", "\n", "\n\n\n", "\n \n"))))

    def _section(self, cast: Cast) -> Marked:
        rng = self.rng
        lines = [self._line(cast) for _ in range(rng.randrange(1, 5))]
        for _ in range(rng.randrange(0, 3)):
            lines.insert(rng.randrange(len(lines) + 1), self._borrowed(cast))
        between = choose(rng, (" ", " ", "  ", "\n", "\n", "\n- ", "\n• "))
        body = joined(lines, between)
        if rng.random() < 0.55:
            heading = choose(rng, listed("clinical", "headings"))
            heading = heading.upper() if rng.random() < 0.55 else heading
            return Marked(heading + choose(rng, (": ", ":  ", ":\n", "\n", " - ", ":", ":\n\n"))) + body
        return body

    def _line(self, cast: Cast) -> Marked:
        kind = self.rng.choices(_KINDS, _WEIGHTS)[0]
        return cast.fill(choose(self.rng, layouts()[kind]))

    def _borrowed(self, cast: Cast) -> Marked:
        rng = self.rng
        paragraph = choose(rng, self.notes if rng.random() < 0.72 else self.abstracts)
        start = rng.randrange(len(paragraph.sentences))
        return joined([spoken(rng, cast, s) for s in paragraph.sentences[start : start + rng.randrange(1, 5)]], " ")

    def _typed(self, note: Marked) -> Marked:
        """The same note as a hurried typist or an old system writes it; no letter changes its place."""
        rng, text = self.rng, note.text
        draw = rng.random()
        if draw < 0.13 and len(text.lower()) == len(text):
            text = text.lower()
        elif draw < 0.22 and len(text.upper()) == len(text):
            text = text.upper()
        letters = list(text)
        for start, end, label in note.spans:
            name = text[start:end]
            if label == "NAME" and draw > 0.22 and rng.random() < 0.07:
                name = name.upper()
            elif label == "NAME" and draw > 0.22 and rng.random() < 0.02:
                name = name.lower()
            if rng.random() < 0.02:
                name = name.replace(" ", "\n", 1)
            if len(name) == end - start:
                letters[start:end] = name
        text = "".join(letters)
        return Marked(_wrapped(text, rng.randrange(48, 100)) if rng.random() < 0.22 else text, note.spans)


def _wrapped(text: str, width: int) -> str:
    """A text whose lines end at a width, as old systems print it."""
    letters, column, space = list(text), 0, -1
    for place, letter in enumerate(letters):
        column = 0 if letter == "\n" else column + 1
        if letter == " ":
            space = place
        if column > width and space > place - column:
            letters[space], column = "\n", place - space
    return "".join(letters)
