"""How well assertions agree with people: the NegEx kit's seven columns, and case reports in brat's format.

The phrases are given, so this measures assertion alone. Of the kit: negation, time and experiencer of one phrase in a
sentence (Chapman et al. 2001). Of brat: the attribute POLARITY of signs and diseases over whole reports (MACCROBAT,
Caufield et al. 2020), NEG for what is absent, and UNCERTAIN, MAYBE_POS and MAYBE_NEG for what is not sure.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from clinical.evaluation.counts import Score, score
from clinical.evaluation.halves import Half, half_of
from clinical.extraction.mentions import Assertion, Status
from policies.errors import InputError

_COLUMNS = 7
_PROBLEMS = ("Sign_symptom", "Disease_disorder")
_UNSURE = {"UNCERTAIN", "MAYBE_POS", "MAYBE_NEG"}
_TEXT_BOUND = re.compile(r"(T\d+)\t(\S+) (\d+)[ \d;]* (\d+)\t")
_EVENT = re.compile(r"(E\d+)\t\S+:(T\d+)")
_POLARITY = re.compile(r"[AM]\d+\tPOLARITY (\S+) (\S+)")

# What is asked of an assertion. Case reports call absent what was never there and what is there no more.
_ASKED: dict[str, frozenset[Status]] = {
    "negated": frozenset({"negated"}),
    "absent": frozenset({"negated", "resolved"}),
    "uncertain": frozenset({"uncertain"}),
    "historical": frozenset({"historical"}),
    "family": frozenset({"family"}),
}
# Time and person are asked beside negation: what is denied may be past as well.
_BESIDE: frozenset[Status] = frozenset({"historical", "family"})


@dataclass(frozen=True)
class Case:
    """A text with phrases at `spans`, and for each the statuses that people gave it.

    Attributes:
        name: of the document; cases of one name are drawn together.
        half: of the corpus that it is in.
    """

    name: str
    half: Half
    text: str = field(repr=False)
    spans: tuple[tuple[int, int], ...]
    said: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class AssertionScores:
    """Scores over a corpus; `skipped` phrases do not stand in their sentence and were not scored."""

    corpus: str
    half: str
    documents: int
    phrases: int
    skipped: int
    statuses: Mapping[str, Score]
    documents_per_second: float

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def evaluate_assertions(corpus: Path, half: Half = "both") -> AssertionScores:
    """Assert the phrases of a corpus and compare.

    Args:
        corpus: a file of the kit's seven columns (number, note, phrase, sentence with the phrase in capitals, negation,
            time, experiencer), or a folder of brat's .txt and .ann.
        half: the half of the documents that the rules were tuned on, the other one, or both; a hash of the sentence as
            it is printed, or of the report's name, decides. The kit prints a sentence once for each of its phrases: one
            that was printed in the tuned half is nowhere held out.

    Raises:
        InputError: the corpus cannot be read, or has nothing to score.
    """
    from clinical.extraction.pipeline import assert_phrases

    try:
        read = list(_brat(corpus) if corpus.is_dir() else _kit(corpus))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=corpus) from None
    except UnicodeDecodeError:
        raise InputError("is not text in UTF-8", "Save it as UTF-8.", file=corpus) from None
    cases = [case for case in read if half in ("both", case.half)]
    kept = [case for case in cases if case.spans]
    if not kept:
        raise InputError("no phrase to score here", "Name the kit's file or a folder of .txt and .ann.", file=corpus)
    return score_cases(
        kept, assert_phrases, ("brat" if corpus.is_dir() else "kit", half, sum(not case.spans for case in cases))
    )


def score_cases(
    cases: Sequence[Case],
    judge: Callable[[str, Sequence[tuple[int, int]]], Sequence[Assertion]],
    about: tuple[str, str, int] = ("", "both", 0),
) -> AssertionScores:
    """Compare what `judge` says of each phrase with people; `about` is the corpus, the half, and phrases skipped."""
    judge("No fever.", [(3, 8)])  # build the pipeline before the clock runs
    asked = [name for name in _ASKED if any(name in said for case in cases for said in case.said)]
    documents = {name: index for index, name in enumerate(dict.fromkeys(case.name for case in cases))}
    counts = np.zeros((len(documents), len(asked), 3), np.int64)  # marked, found, right
    seconds = 0.0
    for case in cases:
        started = time.perf_counter()
        judged = judge(case.text, case.spans)
        seconds += time.perf_counter() - started
        for said, own in zip(case.said, judged, strict=True):
            given = {own.status, *(_BESIDE & {*own.also})}
            for index, name in enumerate(asked):
                marked, found = name in said, not _ASKED[name].isdisjoint(given)
                counts[documents[case.name], index] += (marked, found, marked and found)
    corpus, half, skipped = about
    phrases = sum(len(case.spans) for case in cases)
    scores = {name: score(counts[:, index]) for index, name in enumerate(asked)}
    rate = len(cases) / seconds if seconds else 0.0
    return AssertionScores(corpus, half, len(documents), phrases, skipped, scores, rate)


def _kit(path: Path) -> Iterator[Case]:
    rows = list(_kit_rows(path))
    tuned = {_sentence(row[3]) for row in rows if half_of(row[3]) == "tuned"}
    for _, _, phrase, sentence, negation, when, who in rows:
        name = _sentence(sentence)
        half: Half = "tuned" if name in tuned else "held-out"
        pattern = r"\s+".join(map(re.escape, phrase.split()))
        found = list(re.finditer(pattern, sentence, re.I)) if pattern else []
        place = next((match for match in found if match[0].isupper()), found[0] if found else None)
        if place is None:
            yield Case(name, half, sentence, (), ())
            continue
        start, end = place.span()
        said = {
            *(("negated", "absent") if negation == "Negated" else ()),
            *(("historical",) if when == "Historical" else ()),
            *(("family",) if who not in ("Patient", "") else ()),
        }
        # The kit prints the phrase in capitals, which says where it is and nothing else.
        text = sentence[:start] + sentence[start:end].lower() + sentence[end:]
        yield Case(name, half, text, ((start, end),), (frozenset(said),))


def _kit_rows(path: Path) -> Iterator[list[str]]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        cells = line.split("\t")
        if len(cells) != _COLUMNS:
            raise InputError(f"{_COLUMNS} columns are expected, not {len(cells)}", file=path, line=number)
        yield cells


def _sentence(printed: str) -> str:
    """A sentence of the kit, whichever of its phrases is in capitals."""
    return " ".join(printed.casefold().split())


def _brat(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.ann")):
        marked = path.read_text("utf-8")
        bounds = {m[1]: (m[2], int(m[3]), int(m[4])) for m in _TEXT_BOUND.finditer(marked)}
        events = {match[1]: match[2] for match in _EVENT.finditer(marked)}
        polarity: dict[str, set[str]] = defaultdict(set)
        for match in _POLARITY.finditer(marked):
            polarity[events.get(match[1]) or match[1]].add(match[2])
        own = [name for name in dict.fromkeys(events.values()) if bounds.get(name, ("",))[0] in _PROBLEMS]
        with path.with_suffix(".txt").open(encoding="utf-8", newline="") as stream:
            text = stream.read()
        yield Case(
            path.stem,
            half_of(path.stem),
            text,
            tuple(bounds[name][1:] for name in own),
            tuple(_of_polarity(polarity[name]) for name in own),
        )


def _of_polarity(said: set[str]) -> frozenset[str]:
    absent = {"negated", "absent"} if "NEG" in said else set()
    return frozenset(absent | ({"uncertain"} if said & _UNSURE else set()))
