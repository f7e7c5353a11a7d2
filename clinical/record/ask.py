"""Questions to a patient's record: every answer a quotation with its place, or "not stated".

On 268 questions to 16 articles of COVID-QA that the reader had not seen, each asked of its own article, with 95 %
intervals by article, as `confide evaluate reading --corpus covid_qa/dev.json --held-out` prints it:

    three best passages hold the whole answer           0.854 (0.789-0.907)
    F1 of words, the reader's best span                 0.416 (0.306-0.492)
    F1 of words, the first sentence of retrieval alone  0.419 (0.310-0.483)
    not stated, asked of another article                0.922 (0.867-0.955)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from clinical.extraction import read_note
from clinical.extraction.mentions import Mention, NoteFacts, Status
from clinical.extraction.sections import heading_end
from clinical.record.passages import Note, topic
from clinical.record.quotation import Quotation, quote
from policies.files import table_of

if TYPE_CHECKING:
    from clinical.record.encoding import Encoding
    from clinical.record.spans import Found

READ = 5  # passages of a record that are read for a question
_OTHERS = 3
_SECTION = 400  # characters of a section that is quoted as a whole


@dataclass(frozen=True)
class Answer:
    """What a record says to a question.

    Attributes:
        question: as it was asked.
        quotation: the words that answer it; None where the record does not state it.
        score: between 0 and 1; from 0.5 on an answer is given. No probability.
        status: whether what is named in the quotation is true of the patient now, by the rules of assertion; None
            where nothing known is named in it.
        cue: the words that decide the status.
        others: where else the record may answer it, the likeliest first.
    """

    question: str = field(repr=False)
    quotation: Quotation | None
    score: float
    status: Status | None = None
    cue: str = field(default="", repr=False)
    others: tuple[Quotation, ...] = ()

    @property
    def stated(self) -> bool:
        """Whether there is an answer."""
        return self.quotation is not None


class Record:
    """The notes of one patient, ready to be asked.

    Args:
        notes: all that may be quoted, in any order.
        encoding: what searches and reads; the one that ships if not given.

    Raises:
        IntegrityError: the shipped weights do not fit the encoder of this machine.
    """

    def __init__(self, notes: Sequence[Note], encoding: Encoding | None = None) -> None:
        from clinical.record.retrieval import Index

        self._encoding = encoding or shipped()
        self.index = Index(notes, self._encoding.embed)
        self._facts: dict[int, NoteFacts] = {}

    def ask(self, question: str, context: Sequence[str] = ()) -> Answer:
        """The likeliest answer; `context` are words of earlier questions that this one goes on from."""
        from clinical.record.spans import find_answers

        if not any(map(str.isalnum, question)):
            return Answer(question, None, 0.0)
        search = self.index.search(question, context)
        found = find_answers(self._encoding.reader, self.index, search, " ".join((question, *context)), READ)
        if not found:
            return Answer(question, None, 0.0)
        best, *rest = found
        if best.score < 0.5:
            return Answer(question, None, best.score)
        asked = frozenset(own.concept for own in read_note(question).mentions)
        span, mention = self._with_cue(best, asked)
        sure = [own for own in rest if own.score >= 0.5 and self._is_about(own, asked)][:_OTHERS]
        others = tuple(quote(self.index.notes[own.note], own.start, own.end) for own in sure)
        assertion = mention.assertion if mention else None
        return Answer(
            question,
            quote(self.index.notes[best.note], *span),
            best.score,
            assertion.status if assertion else None,
            assertion.cue if assertion else "",
            others,
        )

    def _with_cue(self, found: Found, asked: frozenset[str]) -> tuple[tuple[int, int], Mention | None]:
        """The answer's span and what it names: widened to the cue in its sentence, so that nobody reads a denied fever
        as a fever, and from a heading to what stands under it."""
        facts = self._facts_of(found.note)
        if under := _under_heading(facts, found.start, found.end):
            return under, None
        inside = self._named_in(found)
        named = [own for own in inside if own.concept in asked] or inside
        if not named:
            return (found.start, found.end), None
        mention, assertion = named[0], named[0].assertion
        start, end = min(found.start, mention.start), max(found.end, mention.end)
        for low, high in facts.sentences:
            cue = assertion.cue_start, assertion.cue_end
            if low <= mention.start < high and cue[0] is not None and cue[1] is not None and low <= cue[0] < high:
                start, end = min(start, cue[0]), max(end, cue[1])
        return (start, end), mention

    def _is_about(self, found: Found, asked: frozenset[str]) -> bool:
        """Whether another answer says something, and names what was asked for where the question names anything."""
        text = self.index.notes[found.note].text[found.start : found.end]
        named = {own.concept for own in self._named_in(found)}
        return any(map(str.isalnum, text)) and (not asked or not asked.isdisjoint(named))

    def _named_in(self, found: Found) -> list[Mention]:
        mentions = self._facts_of(found.note).mentions
        return [own for own in mentions if own.start < found.end and found.start < own.end]

    def _facts_of(self, note: int) -> NoteFacts:
        if note not in self._facts:
            self._facts[note] = read_note(self.index.notes[note].text)
        return self._facts[note]


def _under_heading(facts: NoteFacts, start: int, end: int) -> tuple[int, int] | None:
    """The section, or its first sentences, where a span is nothing but the heading."""
    for section in facts.sections:
        if section.start <= start and end <= heading_end(section) + 1:
            most = min(section.end, section.start + _SECTION)
            inside = (high for low, high in facts.sentences if section.start <= low and high <= most)
            return section.start, max((end, *inside))
    return None


class Conversation:
    """Questions that follow one another: what one is about helps to find what the next one means.

    Args:
        record: of the one patient who is talked about.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._about: tuple[str, ...] = ()

    def ask(self, question: str) -> Answer:
        """The answer, with the words of the last question that named something where this one points back to it."""
        if refers_back(question):
            return self._record.ask(question, self._about)
        self._about = tuple(topic(question))
        return self._record.ask(question)


def refers_back(question: str) -> bool:
    """Whether a question means what was asked before: it says "it" or the like, or names nothing of its own."""
    words = {word.strip("?.,!;:").lower() for word in question.split()}
    return bool(words & _referring()) or not (read_note(question).mentions or len(topic(question)) > 1)


@cache
def _referring() -> frozenset[str]:
    return frozenset(table_of("clinical", "tables/record")["questions"]["referring"])


@cache
def shipped() -> Encoding:
    """The encoder and the reader of this installation, opened once."""
    from clinical.record.encoding import open_encoding  # torch takes seconds to import

    with as_file(files("clinical.record") / "weights" / "reader.safetensors") as path:
        return open_encoding(path)
