"""Questions with answers, those that people asked and those made from marks, as pairs for the reader."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clinical.evaluation.reading import Document, Question, held_out, read_questions
from clinical.extraction.pipeline import assert_phrases
from clinical.extraction.sections import find_sections, heading_end
from clinical.extraction.sentences import find_sentences
from clinical.record.encoding import Encoding
from clinical.record.passages import Note
from clinical.record.reader import Pair, Reader
from clinical.record.retrieval import Index, Search
from policies.files import table_of


@dataclass(frozen=True)
class Settings:
    """What the training may turn; the defaults made the shipped weights.

    Attributes:
        cycles: epochs of each fall of the learning rate.
        batch: questions, each with two passages.
        rate, head_rate: of LoRA and of the head.
        foreign: of the passages that do not answer, the share of another document.
        room: tokens of a passage.
        made: questions made from one report or visit.
    """

    seed: int = 0
    cycles: tuple[int, ...] = (4, 3)
    batch: int = 8
    rate: float = 1e-3
    head_rate: float = 3e-3
    dropout: float = 0.1
    foreign: float = 0.25
    room: int = 120
    made: int = 1


_MARK = re.compile(r"(T\d+)\t(\S+) (\d+)[ \d;]* (\d+)\t")
_EVENT = re.compile(r"(E\d+)\t\S+?:(T\d+)")
_RELATION = re.compile(r"R\d+\tMODIFY Arg1:(\w+) Arg2:(\w+)")
_NEAR = 12  # passages of a search among which those that do not answer are drawn


@dataclass(frozen=True)
class Corpora:
    """Documents with the questions that people asked, those that are measured on, and those with questions made."""

    asked: list[Document]
    held: list[Document]
    made: tuple[list[Document], ...]


def read_corpora(folder: Path, settings: Settings) -> Corpora:
    """Read COVID-QA, MACCROBAT and ACI-Bench below a folder.

    Raises:
        InputError: COVID-QA's questions cannot be read.
    """
    chosen = random.Random(settings.seed)
    documents = read_questions(folder / "covid_qa" / "dev.json")
    made = (
        report_questions(folder / "maccrobat2020", settings.made, chosen),
        visit_questions(folder / "aci_bench" / "train.csv", settings.made, chosen),
    )
    asked = [own for own in documents if not held_out(own)]
    return Corpora(asked, [own for own in documents if held_out(own)], made)


def report_questions(folder: Path, most: int, chosen: random.Random) -> list[Document]:
    """Questions made from the marks of MACCROBAT's reports, at most so many of each."""
    return [_of_report(path, most, chosen) for path in sorted(folder.glob("*.txt"))]


def _of_report(path: Path, most: int, chosen: random.Random) -> Document:
    text, marks = path.read_text("utf-8"), path.with_suffix(".ann").read_text("utf-8")
    spans = {m[1]: (m[2], int(m[3]), int(m[4])) for m in _MARK.finditer(marks)}
    spans |= {m[1]: spans[m[2]] for m in _EVENT.finditer(marks) if m[2] in spans}
    pairs = [(spans[m[1]], spans[m[2]]) for m in _RELATION.finditer(marks) if m[1] in spans and m[2] in spans]
    made = [*_related(text, pairs, chosen), *_marked(list(spans.values()), chosen), *_named(text, spans, chosen)]
    return Document(path.stem, text, tuple(chosen.sample(made, min(most, len(made)))))


_Mark = tuple[str, int, int]


def _table(name: str) -> Any:
    return table_of("clinical.record.recipe", "questions")[name]


def _related(text: str, pairs: Sequence[tuple[_Mark, _Mark]], chosen: random.Random) -> Iterator[Question]:
    for row in _table("relation"):
        for (kind, start, end), (about, first, last) in pairs:
            if kind == row["answer"] and about == row["about"]:
                yield Question(chosen.choice(row["questions"]).format(text[first:last]), start, end)


def _marked(marks: Sequence[_Mark], chosen: random.Random) -> Iterator[Question]:
    for row in _table("mark"):
        for _, start, end in [own for own in marks if own[0] == row["answer"]][:1]:
            yield Question(chosen.choice(row["questions"]), start, end)


def _named(text: str, marks: dict[str, _Mark], chosen: random.Random) -> Iterator[Question]:
    """Findings that are named once, the answer with the cue of their assertion."""
    for row in _table("finding"):
        own = sorted({(start, end) for kind, start, end in marks.values() if kind in row["about"]})
        once = [(start, end) for start, end in own if text.lower().count(text[start:end].lower()) == 1]
        for (start, end), found in zip(once, assert_phrases(text, once), strict=True):
            low = start if found.cue_start is None or start - found.cue_start > 80 else min(start, found.cue_start)
            yield Question(chosen.choice(row["questions"]).format(text[start:end]), low, end)


def visit_questions(path: Path, most: int, chosen: random.Random) -> list[Document]:
    """Questions of the sections of ACI-Bench's notes, at most so many of each."""
    with path.open(encoding="utf-8", newline="") as file:
        return [_of_visit(row["encounter_id"], row["note"], most, chosen) for row in csv.DictReader(file)]


def _of_visit(name: str, text: str, most: int, chosen: random.Random) -> Document:
    questions, asked = [], _table("section")
    sentences = find_sentences(text)
    for section in find_sections(text):
        inside = [own for own in sentences if heading_end(section) <= own[0] and own[1] <= section.end]
        if section.label in asked and inside:
            questions.append(Question(asked[section.label], *inside[0]))
    return Document(name, text, tuple(chosen.sample(questions, min(most, len(questions)))))


@dataclass(frozen=True)
class Case:
    """A question in its document: the passages that hold its answer, near ones that do not, and a foreign one."""

    question: Question
    index: Index
    search: Search
    right: tuple[int, ...]
    wrong: tuple[int, ...]
    elsewhere: Index


def cases_of(documents: Sequence[Document], encoding: Encoding) -> list[Case]:
    """The questions of documents, each with the next document as one that does not answer it."""
    indexes = [Index([Note(own.name, "", own.text)], encoding.embed) for own in documents]
    return [
        case
        for number, document in enumerate(documents)
        for question in document.questions
        if (case := _case(question, indexes[number], indexes[(number + 1) % len(indexes)])).right
    ]


def _case(question: Question, index: Index, elsewhere: Index) -> Case:
    search, passages = index.search(question.text), index.passages
    right = [n for n, own in enumerate(passages) if own.start <= question.start and question.end <= own.end]
    wrong = [n for n in search.order[:_NEAR] if passages[n].end <= question.start or question.end <= passages[n].start]
    return Case(question, index, search, tuple(right), tuple(wrong), elsewhere)


Example = tuple[Pair, tuple[int, int]]  # the tokens at which the answer begins and ends, or the first for "not here"


def examples_of(case: Case, reader: Reader, settings: Settings, chosen: random.Random) -> list[Example]:
    """One passage that answers and one that does not, a near one or one of another document; both cut short."""
    asked = case.question.text
    pair = reader.pair(asked, case.index, case.search, chosen.choice(case.right))
    if chosen.random() < settings.foreign or not case.wrong:
        other = case.elsewhere.search(asked)
        absent = reader.pair(asked, case.elsewhere, other, chosen.choice(other.order[:3]))
    else:
        absent = reader.pair(asked, case.index, case.search, chosen.choice(case.wrong))
    return [
        _cut(pair, _target(pair, case.question), settings.room, chosen),
        _cut(absent, (0, 0), settings.room, chosen),
    ]


def _target(pair: Pair, question: Question) -> tuple[int, int]:
    low, high = pair.offsets[:, 0], pair.offsets[:, 1]
    inside = np.flatnonzero((low >= 0) & (high > question.start) & (low < question.end))
    return (int(inside[0]), int(inside[-1])) if len(inside) else (0, 0)


def _cut(pair: Pair, target: tuple[int, int], room: int, chosen: random.Random) -> Example:
    """At most about `room` tokens of the passage, the answer's among them: the time goes with the length."""
    told = int(np.flatnonzero(pair.kinds)[0])
    last = len(pair.ids) - 1
    low, high = (target[0], target[1] + 1) if target[0] else (told, told)
    first = chosen.randint(max(told, min(high - room, low)), max(told, min(low, last - room)))
    kept = np.array([*range(told), *range(first, min(last, max(high, first + room))), last])
    moved = (target[0] - first + told, target[1] - first + told) if target[0] else target
    parts = (pair.ids, pair.kinds, pair.offsets, pair.sentences, pair.features)
    return Pair(*(part[kept] for part in parts)), moved
