"""Questions with marked answers, each asked of its own document: passages found, and words of the answer.

F1 and exact match are over words, normalised as SQuAD does (Rajpurkar et al. 2016), of the best span whether or not it
is sure enough to be given; `f1_given` counts what is "not stated" as wrong. Each question is also asked of another
document, where it is not answered.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clinical.evaluation.counts import share
from clinical.record.passages import Note
from clinical.record.retrieval import Index, Search
from policies.errors import InputError

if TYPE_CHECKING:
    from clinical.record.encoding import Encoding
    from clinical.record.spans import Candidate

_TOP = 3
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKS = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Question:
    """A question whose answer is `text[start:end]` of its document."""

    text: str = field(repr=False)
    start: int
    end: int


@dataclass(frozen=True)
class Document:
    """A text and the questions that were asked of it."""

    name: str
    text: str = field(repr=False)
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Share:
    """A mean over questions, with its 95 % interval by bootstrap over documents (Efron 1979)."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ReadingScores:
    """Scores of a corpus of questions.

    Attributes:
        recall: share of questions for which one of the three best passages holds the whole answer.
        f1, exact: of the reader's best span.
        f1_given: of the answers that are given, "not stated" counting 0.
        refused: share of questions that get "not stated" from a document that does not answer them.
        sentence_f1: of the sentence that retrieval ranks first, without a reader.
        passage_f1: of the passage that it ranks first.
    """

    documents: int
    questions: int
    recall: Share
    f1: Share
    exact: Share
    f1_given: Share
    refused: Share
    sentence_f1: Share
    passage_f1: Share
    questions_per_second: float

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def read_questions(path: Path) -> list[Document]:
    """Read a file in SQuAD's format; questions without an answer are left out.

    Raises:
        InputError: it cannot be read, or holds no question.
    """
    try:
        paragraphs = [own for article in json.loads(path.read_bytes())["data"] for own in article["paragraphs"]]
        documents = [
            Document(
                str(own.get("document_id", number)),
                own["context"],
                tuple(_question(qa, own["context"]) for qa in own["qas"] if qa["answers"]),
            )
            for number, own in enumerate(paragraphs)
        ]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            "not in SQuAD's format", "Name a JSON file with data, paragraphs and qas.", file=path
        ) from None
    if not any(own.questions for own in documents):
        raise InputError("holds no question with an answer", file=path)
    return [own for own in documents if own.questions]


def _question(qa: dict[str, list[dict[str, str]]], text: str) -> Question:
    answer = qa["answers"][0]
    start, words = int(answer["answer_start"]), answer["text"]
    inner = words.strip()
    start += len(words) - len(words.lstrip())
    return Question(str(qa["question"]), start, min(len(text), start + len(inner)))


def held_out(document: Document) -> bool:
    """Whether a document belongs to the third that the reader that ships has not seen, by its name alone."""
    return int(hashlib.sha256(document.name.encode()).hexdigest(), 16) % 3 == 0


def words_of(text: str) -> list[str]:
    """Words as SQuAD compares them: small letters, without marks and articles."""
    return _ARTICLES.sub(" ", text.lower().translate(_MARKS)).split()


def word_f1(found: str, marked: str) -> float:
    """F1 of the words of two texts; 1 where neither has any."""
    one, other = words_of(found), words_of(marked)
    if not one or not other:
        return float(one == other)
    return 2 * (Counter(one) & Counter(other)).total() / (len(one) + len(other))


@dataclass(frozen=True)
class Asked:
    """What was found for one question in its document, and how sure the reader was of another one (log-odds)."""

    document: int
    question: Question
    text: str = field(repr=False)
    candidates: tuple[Candidate, ...] = field(repr=False)
    elsewhere: float
    recalled: bool
    sentence_f1: float
    passage_f1: float


@dataclass(frozen=True)
class Reading:
    """What was made of one question, and whether an answer is given to it there and elsewhere."""

    document: int
    recalled: bool
    f1: float
    exact: bool
    given: bool
    elsewhere: bool
    sentence_f1: float
    passage_f1: float


def read_all(documents: Sequence[Document], encoding: Encoding) -> list[Asked]:
    """Ask every question of its own document, and of the next one."""
    indexes = [Index([Note(own.name, "", own.text)], encoding.embed) for own in documents]
    return [
        _ask(number, question, indexes, encoding)
        for number, document in enumerate(documents)
        for question in document.questions
    ]


def _ask(number: int, question: Question, indexes: Sequence[Index], encoding: Encoding) -> Asked:
    from clinical.record.ask import READ
    from clinical.record.spans import candidates_of

    index, other = indexes[number], indexes[(number + 1) % len(indexes)]
    text = index.notes[0].text
    marked = text[question.start : question.end]
    search = index.search(question.text)
    elsewhere = candidates_of(encoding.reader, other, other.search(question.text), question.text, READ)
    top = [index.passages[place] for place in search.order[:_TOP]]
    return Asked(
        number,
        question,
        text,
        tuple(candidates_of(encoding.reader, index, search, question.text, READ)),
        max((own.odds for own in elsewhere), default=float("-inf")),
        any(own.start <= question.start and question.end <= own.end for own in top),
        word_f1(_first_sentence(index, search), marked),
        word_f1(index.text_of(top[0]) if top else "", marked),
    )


def judge(asked: Asked, threshold: float) -> Reading:
    """What is made of a question where an answer is given from these log-odds on."""
    from clinical.record.spans import ordered

    marked = asked.text[asked.question.start : asked.question.end]
    best = next(iter(ordered(asked.candidates, threshold)), None)
    words = asked.text[best.start : best.end] if best else ""
    return Reading(
        asked.document,
        asked.recalled,
        word_f1(words, marked),
        words_of(words) == words_of(marked),
        best is not None and best.score >= 0.5,
        asked.elsewhere >= threshold,
        asked.sentence_f1,
        asked.passage_f1,
    )


def _first_sentence(index: Index, search: Search) -> str:
    both = 2 * search.coverage + search.nearness
    return index.text_of(index.sentences[int(both.argmax())]) if len(both) else ""


def scores_of(readings: Sequence[Reading], seconds: float) -> ReadingScores:
    """Means over questions with intervals."""
    names = np.array([own.document for own in readings])

    def mean(values: Sequence[float]) -> Share:
        return _share(np.array(values, float), names)

    return ReadingScores(
        len(set(names.tolist())),
        len(readings),
        mean([own.recalled for own in readings]),
        mean([own.f1 for own in readings]),
        mean([own.exact for own in readings]),
        mean([own.f1 * own.given for own in readings]),
        mean([not own.elsewhere for own in readings]),
        mean([own.sentence_f1 for own in readings]),
        mean([own.passage_f1 for own in readings]),
        len(readings) / seconds if seconds else 0.0,
    )


def _share(values: np.ndarray, names: np.ndarray) -> Share:
    """Mean and interval, drawing documents with all their questions."""
    kinds = np.unique(names)
    sums = np.array([values[names == kind].sum() for kind in kinds])
    counts = np.array([(names == kind).sum() for kind in kinds])
    return Share(*share(sums, counts))


def evaluate_reading(path: Path, encoding: Encoding | None = None, *, unseen: bool = False) -> ReadingScores:
    """Score a corpus with the reader that ships, or another.

    Args:
        unseen: only the third of COVID-QA that the reader that ships was not trained on.

    Raises:
        InputError: the corpus cannot be read, or has no document of that third.
        IntegrityError: the shipped weights do not fit the encoder of this machine.
    """
    from clinical.record.ask import shipped

    documents = [own for own in read_questions(path) if held_out(own) or not unseen]
    if not documents:
        raise InputError("no document of the third that is held out", file=path)
    encoding = encoding or shipped()
    started = time.perf_counter()
    asked = read_all(documents, encoding)
    seconds = time.perf_counter() - started
    return scores_of([judge(own, encoding.reader.design.threshold) for own in asked], seconds)
