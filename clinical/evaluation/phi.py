"""How much of the marked identifiers de-identification finds, and how much else it touches."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from clinical.attachments import UnreadableNote, read_attachment
from clinical.evaluation.counts import share
from policies.errors import InputError
from privacy.guards.certificate import upper_share

EACH_SIDE = 0.975  # of an interval of 95 %
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Recall:
    """Recall on marked spans, by characters and by whole spans.

    Args:
        recall: share of the marked characters that are replaced; `interval`: 95 %, by bootstrap over documents.
        whole: spans of which every character is replaced; `exact`: the 95 % interval of their share (Clopper and
            Pearson 1934), which says how much is known even where nothing was missed.
    """

    spans: int
    characters: int
    found: int
    recall: float
    interval: tuple[float, float]
    whole: int
    exact: tuple[float, float]


@dataclass(frozen=True)
class PhiScores:
    """Scores over a set of notes.

    Args:
        overall: recall over all categories.
        categories: recall per category of the gold standard.
        precision: share of the replaced characters that are marked.
        f1: harmonic mean of precision and recall.
        words_touched: share of the words outside marked spans of which something was replaced.
        clean_notes: share of notes in which no marked character is left.
        roster, tagger: whether the patients' own resources, and the trained tagger, were used.
    """

    documents: int
    overall: Recall
    categories: Mapping[str, Recall]
    precision: float
    f1: float
    words: int
    words_touched: float
    clean_notes: float
    documents_per_second: float
    roster: bool
    tagger: bool

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class _Note:
    """One scored note: characters marked and found per category, and what else was replaced."""

    spans: Mapping[str, int]
    marked: Mapping[str, int]
    found: Mapping[str, int]
    whole: Mapping[str, int]
    replaced: int
    right: int
    words: int
    touched: int
    clean: bool


def evaluate_phi(
    notes: Path, gold: Path, patients: Path | None = None, *, roster: bool = True, tagger: bool = True
) -> PhiScores:
    """De-identify notes and compare with marked spans.

    Args:
        notes: NDJSON of FHIR DocumentReference.
        gold: JSON lines `{"id", "spans": [[start, end, category], ...]}` over the decoded text; notes that it does not
            name are not scored.
        patients: NDJSON of Patient; Patient.ndjson beside the notes where it is not given.
        roster: whether the patients' own resources may be used.
        tagger: whether the trained tagger is used.

    Raises:
        InputError: a line of a file cannot be used, or no note of the gold standard is there.
    """
    from privacy.tagger.recognizer import Tagger
    from privacy.text.deidentify import TextDeidentifier  # Presidio takes seconds to import
    from privacy.text.replacement import Marks
    from privacy.text.roster import roster_of

    beside = notes.with_name("Patient.ndjson")
    known = (patients or (beside if beside.is_file() else None)) if roster else None
    resources = {p["id"]: p for _, p in _lines(known, "id")} if known else {}
    marked = _gold(gold)
    marks = Marks(neutral=False, years=True, as_of=date.today().year)
    engine = TextDeidentifier(marks, tagger=Tagger() if tagger else None)
    engine.find("Ada Byron")  # build the engine before the clock runs
    scored, seconds = [], 0.0
    for number, document in _lines(notes, "id", "content"):
        if document["id"] not in marked:
            continue
        text = _text(document, notes, number)
        patient = resources.get(document.get("subject", {}).get("reference", "").rpartition("/")[2])
        started = time.perf_counter()
        found = engine.find(text, roster_of(patient) if patient else None)
        seconds += time.perf_counter() - started
        scored.append(_score(text, marked[document["id"]], [(s.start, s.end) for s in found]))
    if not scored:
        raise InputError("no note that the gold standard names", "Name the notes that belong to it.", file=notes)
    return _summary(scored, seconds, bool(known), tagger)


def _gold(path: Path) -> dict[str, list[tuple[int, int, str]]]:
    marked = {}
    for number, line in _lines(path, "id", "spans"):
        try:
            marked[str(line["id"])] = [(int(start), int(end), str(category)) for start, end, category in line["spans"]]
        except (TypeError, ValueError):
            raise InputError("a span is not [start, end, category]", file=path, line=number) from None
    return marked


def _text(document: dict[str, Any], path: Path, number: int) -> str:
    try:
        return read_attachment(document["content"][0]["attachment"])
    except (KeyError, IndexError, TypeError):
        raise InputError("no attachment", file=path, line=number) from None
    except UnreadableNote as error:
        raise InputError(error.message, error.hint, file=path, line=number) from None


def _lines(path: Path, *keys: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from None
    with stream:
        for number, line in enumerate(stream, 1):
            try:
                value = json.loads(line)
            except ValueError:
                value = None
            if not isinstance(value, dict) or any(key not in value for key in keys):
                raise InputError(f"not a JSON object with {', '.join(keys)}", file=path, line=number)
            yield number, value


def _score(text: str, marked: Sequence[tuple[int, int, str]], found: Sequence[tuple[int, int]]) -> _Note:
    gold, ours = np.zeros(len(text), bool), np.zeros(len(text), bool)
    for start, end in found:
        ours[start:end] = True
    spans: dict[str, int] = {}
    characters: dict[str, int] = {}
    hits: dict[str, int] = {}
    whole: dict[str, int] = {}
    for start, end, category in marked:
        gold[start:end] = True
        spans[category] = spans.get(category, 0) + 1
        characters[category] = characters.get(category, 0) + end - start
        hits[category] = hits.get(category, 0) + int(ours[start:end].sum())
        whole[category] = whole.get(category, 0) + bool(ours[start:end].all())
    others = [w.span() for w in _WORD.finditer(text) if not gold[slice(*w.span())].any()]
    touched = sum(bool(ours[start:end].any()) for start, end in others)
    right = int((gold & ours).sum())
    return _Note(
        spans, characters, hits, whole, int(ours.sum()), right, len(others), touched, clean=not (gold & ~ours).any()
    )  # fmt: skip


def _summary(notes: Sequence[_Note], seconds: float, roster: bool, tagger: bool) -> PhiScores:
    names = sorted({category for note in notes for category in note.marked})
    categories = {name: _recall(notes, [name]) for name in names}
    overall = _recall(notes, names)
    replaced, words = sum(n.replaced for n in notes), sum(n.words for n in notes)
    precision = sum(n.right for n in notes) / replaced if replaced else 1.0
    both = precision + overall.recall
    return PhiScores(
        documents=len(notes),
        overall=overall,
        categories=categories,
        precision=precision,
        f1=2 * precision * overall.recall / both if both else 0.0,
        words=words,
        words_touched=sum(n.touched for n in notes) / words if words else 0.0,
        clean_notes=sum(n.clean for n in notes) / len(notes),
        documents_per_second=len(notes) / seconds if seconds else 0.0,
        roster=roster,
        tagger=tagger,
    )


def _recall(notes: Sequence[_Note], names: Sequence[str]) -> Recall:
    marked = np.array([sum(note.marked.get(name, 0) for name in names) for note in notes])
    found = np.array([sum(note.found.get(name, 0) for name in names) for note in notes])
    spans = sum(note.spans.get(name, 0) for note in notes for name in names)
    whole = sum(note.whole.get(name, 0) for note in notes for name in names)
    total = int(marked.sum())
    recall = float(found.sum() / total) if total else 1.0
    exact = 1 - upper_share(spans - whole, spans, EACH_SIDE), upper_share(whole, spans, EACH_SIDE)
    return Recall(spans, total, int(found.sum()), recall, share(found, marked)[1], whole, exact)
