"""How well relations agree with people, entities given: case reports in brat's format.

In MACCROBAT (Caufield et al. 2020) the relation MODIFY ties a dosage, an administration or a frequency to a medication,
a lab value to what was measured or seen, and a biological structure to a sign, a disease, a test or a treatment. When
something was is marked there as an order of events (BEFORE, AFTER), which is another question: times are not scored.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from clinical.evaluation.counts import Score, score
from clinical.evaluation.halves import Half, half_of
from clinical.extraction.linking import Tail, relate, rules
from clinical.extraction.mentions import Kind, Mention, RelationKind
from clinical.extraction.sentences import find_sentences
from policies.errors import InputError

_TEXT_BOUND = re.compile(r"(T\d+)\t(\S+) (\d+)[ \d;]* (\d+)\t")
_EVENT = re.compile(r"(E\d+)\t\S+:(T\d+)")
_MODIFY = re.compile(r"R\d+\tMODIFY Arg1:(\S+) Arg2:(\S+)")
_HEADS: Final[dict[str, Kind]] = {
    "Medication": "medication",
    "Diagnostic_procedure": "test",
    "Sign_symptom": "finding",
    "Disease_disorder": "problem",
    "Therapeutic_procedure": "procedure",
}
_TAILS: Final[dict[str, RelationKind]] = {
    "Dosage": "dose",
    "Administration": "route",
    "Frequency": "frequency",
    "Lab_value": "value",
    "Biological_structure": "site",
}
Pair = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class Report:
    """A text, its marked mentions and what may be said of them, and the pairs that people made."""

    name: str
    text: str = field(repr=False)
    mentions: tuple[Mention, ...]
    tails: tuple[Tail, ...]
    related: frozenset[Pair]


@dataclass(frozen=True)
class RelationScores:
    """Scores over a corpus: all kinds together (micro average), and each by itself."""

    half: str
    documents: int
    overall: Score
    kinds: Mapping[str, Score]
    documents_per_second: float

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def evaluate_relations(corpus: Path, half: Half = "both") -> RelationScores:
    """Link what is marked in a folder of brat's .txt and .ann, and compare.

    Args:
        half: the half of the reports that the costs were tuned on, the other one, or both; a hash of the name decides.

    Raises:
        InputError: the corpus cannot be read, or has nothing to score.
    """
    try:
        reports = [_read(path) for path in sorted(corpus.glob("*.ann")) if half in ("both", half_of(path.stem))]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=corpus) from None
    except UnicodeDecodeError:
        raise InputError("is not text in UTF-8", "Save it as UTF-8.", file=corpus) from None
    if not any(report.related for report in reports):
        raise InputError("no relation to score here", "Name a folder of .txt and .ann with MODIFY.", file=corpus)
    return score_reports(reports, half)


def score_reports(reports: Sequence[Report], half: str = "both") -> RelationScores:
    """Compare the pairs that linking makes with those of people."""
    kinds = tuple(_TAILS.values())
    counts = np.zeros((len(reports), len(kinds), 3), np.int64)  # marked, found, right
    seconds = 0.0
    for row, report in zip(counts, reports, strict=True):
        started = time.perf_counter()
        linked = relate(report.text, find_sentences(report.text), report.mentions, report.tails)
        seconds += time.perf_counter() - started
        found = {(own.kind, own.head_start, own.head_end, own.tail_start, own.tail_end) for own in linked}
        for column, pairs in enumerate((report.related, found, report.related & found)):
            for kind, *_ in pairs:
                row[kinds.index(kind), column] += 1
    return RelationScores(
        half,
        len(reports),
        score(counts.sum(axis=1)),
        {kind: score(counts[:, index]) for index, kind in enumerate(kinds)},
        len(reports) / seconds if seconds else 0.0,
    )


def _read(path: Path) -> Report:
    marked = path.read_text("utf-8")
    with path.with_suffix(".txt").open(encoding="utf-8", newline="") as stream:
        text = stream.read()
    bounds = {match[1]: (match[2], int(match[3]), int(match[4])) for match in _TEXT_BOUND.finditer(marked)}
    events = {match[1]: match[2] for match in _EVENT.finditer(marked)}
    heads = sorted({(start, end, _HEADS[name]) for name, start, end in bounds.values() if name in _HEADS})
    tails = sorted({(start, end, _TAILS[name]) for name, start, end in bounds.values() if name in _TAILS})
    pairs = ((bounds[events.get(a, a)], bounds[events.get(b, b)]) for a, b in _MODIFY.findall(marked))
    return Report(
        path.stem,
        text,
        tuple(Mention(start, end, text[start:end], kind, "") for start, end, kind in _apart(heads)),
        tuple(Tail(kind, start, end, text[start:end]) for start, end, kind in tails),
        frozenset(_mapped(pairs)),
    )


def _apart(spans: Sequence[tuple[int, int, Kind]]) -> Iterator[tuple[int, int, Kind]]:
    """Of spans that overlap the first; pairs of the others count as missed."""
    last = 0
    for start, end, kind in spans:
        if start >= last:
            yield start, end, kind
            last = end


def _mapped(pairs: Iterator[tuple[tuple[str, int, int], tuple[str, int, int]]]) -> Iterator[Pair]:
    for (tail, *place), (head, *head_place) in pairs:
        kind, of = _TAILS.get(tail), _HEADS.get(head)
        if kind and of in rules()[kind].heads:
            yield (kind, head_place[0], head_place[1], place[0], place[1])
