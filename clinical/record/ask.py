"""Questions to a patient's record: every answer a quotation with its place, or "not stated".

On 268 questions to 16 articles of COVID-QA that the reader was not trained on, each asked of its own article, with 95 %
intervals by article, as `confide evaluate reading --corpus covid_qa/dev.json --held-out` prints it. When it says "not
stated", and how passages are weighed, was chosen on these articles:

    three best passages hold the whole answer           0.854 (0.789-0.907)
    F1 of words, the reader's best span                 0.416 (0.306-0.492)
    F1 of words, the first sentence of retrieval alone  0.419 (0.310-0.483)
    not stated, asked of another article                0.922 (0.867-0.955)
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Literal

from clinical.extraction import read_note
from clinical.extraction.mentions import Mention, NoteFacts, Status
from clinical.extraction.sections import heading_end
from clinical.record.asked import ListAsked, ThingAsked, asked_of
from clinical.record.passages import Note, stems, topic
from clinical.record.quotation import Quotation, quote
from clinical.record.stated import Statement, stated
from clinical.record.told import Told, in_time
from policies.files import table_of

if TYPE_CHECKING:
    from clinical.record.encoding import Encoding
    from clinical.record.spans import Found

READ = 5  # passages of a record that are read for a question
_OTHERS = 3
_LIST = 8  # other places of a list
_SECTION = 400  # characters of a section that is quoted as a whole


@dataclass(frozen=True)
class Answer:
    """What a record says to a question.

    Attributes:
        question: as it was asked.
        quotation: the words that answer it; None where the record does not state it.
        score: between 0 and 1; from 0.5 on an answer is given. No probability. 1 where the rules found it.
        status: whether what is named in the quotation is true of the patient now, by the rules of assertion; None
            where nothing known is named in it.
        cue: the words that decide the status.
        others: where else the record may answer it, the likeliest first; of a list, what else stands in it.
        by: "rules" where the question asks for a kind of thing or for a thing that the rules found, the newest note
            first; "reader" where the passages were read.
    """

    question: str = field(repr=False)
    quotation: Quotation | None
    score: float
    status: Status | None = None
    cue: str = field(default="", repr=False)
    others: tuple[Quotation, ...] = ()
    by: Literal["rules", "reader"] = "reader"

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
        self._told = tuple(Told(note, read_note(note.text)) for note in self.index.notes)
        self._newest = in_time(self._told)[::-1]

    def ask(self, question: str, context: Sequence[str] = ()) -> Answer:
        """What the rules found, or else the likeliest answer of the reader.

        Args:
            context: words of earlier questions that this one goes on from.
        """
        if not any(map(str.isalnum, question)):
            return Answer(question, None, 0.0)
        asked = asked_of(question)
        if asked and (found := stated(asked, self._newest)):
            return _of_rules(question, found, _LIST if isinstance(asked, ListAsked) else _OTHERS)
        if isinstance(asked, ListAsked) and asked.settled:
            return Answer(question, None, 0.0, by="rules")
        return self._read(question, context, asked.mentions if isinstance(asked, ThingAsked) else ())

    def _read(self, question: str, context: Sequence[str], asked: Sequence[Mention]) -> Answer:
        """The likeliest answer of the reader; to a question that names something, one that speaks of it."""
        from clinical.record.spans import find_answers

        search = self.index.search(question, context)
        found = find_answers(self._encoding.reader, self.index, search, " ".join((question, *context)), READ)
        about = [own for own in found if self._is_about(own, asked)]
        if not about or about[0].score < 0.5:
            return Answer(question, None, about[0].score if about else 0.0)
        best, *others = about
        span, mention = self._with_cue(best, {own.concept for own in asked})
        assertion = mention.assertion if mention else None
        return Answer(
            question,
            quote(self._told[best.note].note, *span),
            best.score,
            assertion.status if assertion else None,
            assertion.cue if assertion else "",
            tuple(self._quoted(own) for own in others[:_OTHERS] if own.score >= 0.5),
        )

    def _with_cue(self, found: Found, asked: Set[str]) -> tuple[tuple[int, int], Mention | None]:
        """The answer's span and what it names: widened to the cue in its sentence, so that nobody reads a denied fever
        as a fever, and from a heading to what stands under it."""
        told = self._told[found.note]
        if under := _under_heading(told.facts, found.start, found.end):
            return under, None
        inside = [own for own in told.facts.mentions if own.start < found.end and found.start < own.end]
        named = [own for own in inside if own.concept in asked] or inside
        if not named:
            return (found.start, found.end), None
        start, end = told.with_cue(named[0])
        return (min(found.start, start), max(found.end, end)), named[0]

    def _quoted(self, found: Found) -> Quotation:
        return quote(self._told[found.note].note, found.start, found.end)

    def _is_about(self, found: Found, asked: Sequence[Mention]) -> bool:
        """Whether an answer says something and its sentence, or the one before, names one of the things asked for."""
        told = self._told[found.note]
        if not any(map(str.isalnum, told.note.text[found.start : found.end])):
            return False
        low, high = told.sentence(found.start)
        low = min(told.sentence(max(0, low - 2))[0], low)
        named = {own.concept for own in told.facts.mentions if low <= own.start < high}
        words = set(stems(told.note.text[low:high]))
        return not asked or any(own.concept in named or words.issuperset(stems(own.text)) for own in asked)


def _of_rules(question: str, found: Sequence[Statement], most: int) -> Answer:
    best, *others = found
    assertion = best.mention.assertion if best.mention else None
    quotations = tuple(quote(own.told.note, own.start, own.end) for own in others[:most])
    status, cue = (assertion.status, assertion.cue) if assertion else (None, "")
    return Answer(question, quote(best.told.note, best.start, best.end), 1.0, status, cue, quotations, "rules")


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
