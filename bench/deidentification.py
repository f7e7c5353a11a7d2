"""Our de-identification of notes beside Presidio as it comes: speed, memory, and recall where a gold standard lies.

Presidio's own default also tags names with a spaCy model. None can be fetched here, so it runs with its no-op language
engine and finds by its patterns alone: that makes it faster, and blind to names.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.report import (
    Contestant,
    Match,
    Work,
    digits,
    json_line,
    medians,
    memory_rows,
    play,
    ratio_text,
    start,
)
from clinical.formats.detect import open_source
from clinical.formats.source import Problem
from clinical.synthetic import demo_hospitals, write_export
from dashboard.console import say, table
from policies.errors import InputError

NOTES_PER_TURN = 10
PAIRS, PAIRS_QUICK = 24, 4
# Enough for every turn: a patient has one note at the least.
DEMO_PATIENTS = NOTES_PER_TURN * (PAIRS + 1)
GOLD = "gold.jsonl"
LARGEST_NOTE = 2_000_000

Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Sample:
    """One note to de-identify, what its hospital knows of the patient, and the marked spans if there are any."""

    text: str = field(repr=False)
    patient: Mapping[str, Any] = field(repr=False)
    marked: Spans = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Found:
    """By characters: share of the marked ones that were replaced, and share of the replaced ones that are marked."""

    recall: float
    precision: float


def ours(samples: Sequence[Sample], tagger: bool) -> Work:
    """Tables and the patient's own roster, and the tagger if asked.

    The roster is built within the turn, as 'confide deid' builds it. The tagger has two threads, as many as the peer's
    libraries may take.
    """
    from privacy.tagger.recognizer import Tagger
    from privacy.text.deidentify import TextDeidentifier
    from privacy.text.replacement import Marks
    from privacy.text.roster import roster_of

    marks = Marks(neutral=False, years=True, as_of=date.today().year)
    engine = TextDeidentifier(marks, tagger=Tagger(threads=2) if tagger else None)
    engine.find("Ada Byron")  # build the engines before the clock runs

    def work(turn: int) -> list[Spans]:
        result = []
        for sample in _batch(samples, turn):
            spans = engine.find(sample.text, roster_of(sample.patient))
            engine.apply(sample.text, spans)
            result.append([(span.start, span.end) for span in spans])
        return result

    return work


def presidio(samples: Sequence[Sample]) -> Work:
    """Presidio with its default recognizers, thresholds and operators, and no language model."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine
    from presidio_anonymizer import AnonymizerEngine

    # The e-mail recognizer would fetch the public suffix list; the package brings a snapshot of it.
    tldextract.extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    engine = NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}])
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    analyzer = AnalyzerEngine(registry, engine, supported_languages=["en"])
    anonymizer = AnonymizerEngine()
    analyzer.analyze("nobody@example.org", "en")

    def work(turn: int) -> list[Spans]:
        result = []
        for sample in _batch(samples, turn):
            found = analyzer.analyze(sample.text, "en")
            anonymizer.anonymize(sample.text, found)
            result.append([(span.start, span.end) for span in found])
        return result

    return work


def _batch(samples: Sequence[Sample], turn: int) -> Sequence[Sample]:
    return samples[turn * NOTES_PER_TURN : (turn + 1) * NOTES_PER_TURN]


def read_samples(folder: Path, most: int) -> list[Sample]:
    """The first `most` notes of an export; only marked ones where a gold standard lies beside them."""
    gold = folder / GOLD
    marked = _gold(gold) if gold.is_file() else None
    export = open_source(folder, largest_note=LARGEST_NOTE)
    notes = (r for r in export.records() if not isinstance(r, Problem) and r.text)
    samples = (
        Sample(note.text, export.patient(note.patient_id), marked[note.record_id] if marked else [])
        for note in notes
        if marked is None or note.record_id in marked
    )
    return list(islice(samples, most))


def _gold(path: Path) -> dict[str, Spans]:
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return {line["id"]: [(start, end) for start, end, _ in line["spans"]] for line in lines}


def by_characters(marked: Sequence[Spans], found: Sequence[Spans]) -> Found:
    """Recall and precision over the characters of all notes; spans may overlap."""
    right = wanted = replaced = 0
    for gold, spans in zip(marked, found, strict=True):
        inside, ours = _characters(gold), _characters(spans)
        right, wanted, replaced = right + len(inside & ours), wanted + len(inside), replaced + len(ours)
    return Found(right / wanted if wanted else 1.0, right / replaced if replaced else 1.0)


def _characters(spans: Spans) -> set[int]:
    return {place for start, end in spans for place in range(start, end)}


def run(chosen: Namespace) -> None:
    """Compare, and print a table and, if asked, a line of JSON."""
    most = NOTES_PER_TURN * ((PAIRS_QUICK if chosen.quick else PAIRS) + 1)
    if chosen.export:
        source, samples = str(chosen.export), read_samples(chosen.export, most)
    else:
        with TemporaryDirectory() as folder:
            write_export(Path(folder), demo_hospitals(DEMO_PATIENTS)[0])
            source, samples = "synthetic notes of the demo", read_samples(Path(folder), most)
    pairs = len(samples) // NOTES_PER_TURN - 1
    if pairs < 1:
        raise InputError(
            f"{len(samples)} notes that can be used", f"At least {2 * NOTES_PER_TURN} are needed.", file=chosen.export
        )
    samples = samples[: (pairs + 1) * NOTES_PER_TURN]
    characters = sum(len(sample.text) for sample in samples) // len(samples)
    say(f"{len(samples)} notes of {characters} characters, {source}; {pairs} pairs of {NOTES_PER_TURN} notes.")
    say("Presidio runs with its default recognizers and no spaCy model (none can be fetched), so without names.")
    for title, tagger in (("tables and roster", False), ("tables, roster and tagger", True)):
        with Contestant(ours, samples, tagger) as own, Contestant(presidio, samples) as peer:
            match = play(title, own, peer, pairs)
        figures = summary(match, samples)
        _show(title, match, figures)
        if chosen.json:
            facts = {"source": source, "notes": len(samples), "characters": characters, "tagger": tagger}
            say(json_line("deidentification", chosen.quick, **facts, **figures))


def summary(match: Match, samples: Sequence[Sample]) -> dict[str, Any]:
    """The figures of a finished comparison, by name."""
    time = medians(match.pairs)
    figures: dict[str, Any] = {
        "seconds": time,
        "notes_per_second": [NOTES_PER_TURN / time.ours, NOTES_PER_TURN / time.peer],
        "memory_mib": [match.ours, match.peer],
    }
    if any(sample.marked for sample in samples):
        marked = [sample.marked for sample in samples]
        turns = [match.warm, *match.pairs]
        figures["ours"] = by_characters(marked, [spans for pair in turns for spans in pair.ours.result])
        figures["presidio"] = by_characters(marked, [spans for pair in turns for spans in pair.peer.result])
    return figures


def _show(title: str, match: Match, figures: Mapping[str, Any]) -> None:
    rates = figures["notes_per_second"]
    rows = [
        ("notes a second", digits(rates[0]), digits(rates[1]), ratio_text(1 / figures["seconds"].ratio)),
        *memory_rows(match),
    ]
    if "ours" in figures:
        own, peer = figures["ours"], figures["presidio"]
        rows.append(("recall by characters", f"{own.recall:.4f}", f"{peer.recall:.4f}", ""))
        rows.append(("precision by characters", f"{own.precision:.4f}", f"{peer.precision:.4f}", ""))
    table(f"De-identification by {title}, medians of pairs", ("", "Confide", "Presidio", "ratio"), rows)


if __name__ == "__main__":
    start("De-identification: Confide beside plain Presidio.", run, export=True)
