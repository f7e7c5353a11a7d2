"""How many headings are found, and how often the text of a section alone tells what it is.

Notes with headings on lines of their own (a `note` column, as in ACI-Bench, Yim et al. 2023) are rewritten in the ways
that people type headings; sections with their label (`section_header` and `section_text`, as in MTS-Dialog, Ben Abacha
et al. 2023) are labelled from their text.
"""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from clinical.evaluation.counts import Score, score, share
from clinical.extraction.mentions import Section
from policies.errors import InputError

# A line of capitals between empty lines, which is how these notes write a heading.
_HEADING = re.compile(r"(?:\A|(?<=\n\n))[ \t]*([A-Z][A-Z /&]+[A-Z])[ \t]*(?=\n)")
# What stands for "HEADING\n\ntext" in each layout, given the heading.
LAYOUTS: dict[str, Callable[[str], str]] = {
    "capitals, no colon": lambda heading: f"{heading}\n\n",
    "capitals, colon": lambda heading: f"{heading}: ",
    "title, no colon": lambda heading: f"{heading.title()}\n",
    "title, colon": lambda heading: f"{heading.title()}:\n",
    "title, dash": lambda heading: f"{heading.title()} - ",
    "inline": lambda heading: f"{heading.title()}: ",
}


@dataclass(frozen=True)
class HeadingScores:
    """Headings found where they begin, per layout and over all."""

    documents: int
    overall: Score
    layouts: Mapping[str, Score]
    documents_per_second: float

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class LabelScores:
    """Sections labelled from their text alone; `commonest` is what naming one label always would reach."""

    sections: int
    accuracy: float
    interval: tuple[float, float]
    commonest: float
    labels: Mapping[str, Score]
    documents_per_second: float

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header.

    Raises:
        InputError: it cannot be read, or has no rows.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError("is not a CSV file in UTF-8", file=path) from None
    if not rows:
        raise InputError("no rows", "Name a CSV file with a header.", file=path)
    return rows


def evaluate_sections(corpus: Path) -> HeadingScores | LabelScores:
    """Score headings of a file of notes, or labels of a file of sections.

    Raises:
        InputError: the file cannot be read, or has neither a column `note` nor `section_header` and `section_text`.
    """
    rows = read_rows(corpus)
    if "note" in rows[0]:
        from clinical.extraction.sections import find_sections

        return score_headings([row["note"].replace("\r\n", "\n") for row in rows], find_sections)
    if {"section_header", "section_text"} <= rows[0].keys():
        from clinical.sectioning.reader import label_texts

        truth = [row["section_header"].lower() for row in rows]
        return score_labels(truth, [row["section_text"] for row in rows], lambda text: label_texts([text])[0])
    raise InputError("neither notes nor sections", "Columns: note, or section_header and section_text.", file=corpus)


def in_layout(note: str, layout: str) -> tuple[str, set[int]]:
    """A note with its headings typed in another layout, and where they begin."""
    typed: list[str] = []
    starts: set[int] = set()
    last = length = 0
    for heading in _HEADING.finditer(note):
        before = note[last : heading.start()]
        if layout == "inline":
            before = " ".join(before.split()) + ("  " if typed else "")
        typed += [before, LAYOUTS[layout](heading[1])]
        length += len(before)
        starts.add(length)
        length += len(typed[-1])
        last = heading.end() + len(note[heading.end() :]) - len(note[heading.end() :].lstrip())
    return "".join([*typed, note[last:]]), starts


def score_headings(notes: Sequence[str], find: Callable[[str], Sequence[Section]]) -> HeadingScores:
    """Compare where sections begin with where headings were typed."""
    counts = np.zeros((len(notes), len(LAYOUTS), 3), np.int64)  # marked, found, right
    seconds = 0.0
    for row, note in zip(counts, notes, strict=True):
        for index, layout in enumerate(LAYOUTS):
            text, starts = in_layout(note, layout)
            started = time.perf_counter()
            found = {section.start for section in find(text)}
            seconds += time.perf_counter() - started
            row[index] += (len(starts), len(found), len(starts & found))
    layouts = {name: score(counts[:, index]) for index, name in enumerate(LAYOUTS)}
    rate = len(notes) * len(LAYOUTS) / seconds if seconds else 0.0
    return HeadingScores(len(notes), score(counts.sum(1)), layouts, rate)


def score_labels(truth: Sequence[str], texts: Sequence[str], label: Callable[[str], str]) -> LabelScores:
    """Compare the labels that texts are given with the true ones."""
    label("No fever.")  # load the model before the clock runs
    started = time.perf_counter()
    given = [label(text) for text in texts]
    seconds = time.perf_counter() - started
    right = np.array([own == true for own, true in zip(given, truth, strict=True)], np.int64)
    accuracy, interval = share(right, np.ones(len(right), np.int64))
    names = sorted({*truth})
    counts = {
        name: np.array([(t == name, g == name, t == g == name) for t, g in zip(truth, given, strict=True)], np.int64)
        for name in names
    }
    return LabelScores(
        len(truth),
        accuracy,
        interval,
        max(truth.count(name) for name in names) / len(truth),
        {name: score(own) for name, own in counts.items()},
        len(truth) / seconds if seconds else 0.0,
    )
