"""Answers of forms: "Diabetes: No", "Fever (-) cough (+)", "[x] stroke"; what each says, and of which words.

They are read before the cues of assertions, for a cue that is an answer speaks of its own question alone. The words and
marks are rows of tables/answers.toml.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from clinical.extraction.mentions import Status
from clinical.extraction.words import table

_QUESTION = 120  # characters
_EOL = r"\n\r\x0b\x0c\x85\u2028\u2029"
# What stands between a question and its answer; the answer may be in the next line ("Fever?\nNo").
_BETWEEN = r"(?:[:=?|(,]|(?<=\S)[ \t]+[-–—]|(?<=\S)(?:[ ]{2,}|\t))[ \t:=?|(–—-]{0,8}+(?:(?<=[:?])\s{0,8}+)?"
# What stands behind an answer that is all of it: a mark, wide space, or the next question ("Fever: No Cough: Yes").
_BEHIND = rf"(?=[ ]?(?:[{_EOL},;|()\]]|[.](?!\w)|\Z)|[ ]{{2}}|\t|[ ][-–—][ ]|[ ](?-i:(?:[A-Z][a-z]+[ ]?){{1,5}})[:=?|])"
_BEGINS = re.compile(rf"[:=?|;\t{_EOL}]|[.!] | {{2,}}|(?<!\S)[-*•]")
_CLAUSE = re.compile(rf"(?:[^{_EOL};:.|]|\.(?=\S))+")
_SIGN = re.compile(r"(?<![^\s,;(])[+-](?=[A-Za-z])")  # written to its word: "+cough -fever"
_LIST = re.compile(r"(?:\s|,|/|&|\b(?:any|and|or|nor)\b)*", re.I)  # between the things that one question names


@dataclass(frozen=True)
class Answer:
    """What `text[start:end]` says of the question at `text[low:high]`, in front of it or behind it."""

    says: Status
    start: int
    end: int
    low: int
    high: int


def find_answers(text: str, spans: Iterable[tuple[int, int]]) -> tuple[Answer, ...]:
    """The answers of a note in order; linear in its length.

    Args:
        spans: of the things that the note names.
    """
    found = [*_words(text, sorted(spans)), *_marks(text), *_signs(text)]
    return tuple(sorted(found, key=lambda own: own.start))


def answer_to(answers: Sequence[Answer], start: int, end: int) -> Answer | None:
    """The answer to the question that holds `text[start:end]`; `answers` are those of the note in order."""
    place = bisect_right(answers, start, key=lambda own: own.start)
    near = answers[max(0, place - 1) : place + 1]
    return next((own for own in near if own.low <= start and end <= own.high), None)


def ends_in_answer(text: str, start: int, end: int) -> bool:
    """Whether the last word of `text[start:end]` is all that is answered to a question."""
    says, pattern = _answered()
    last = text[start:end].rsplit(maxsplit=1)[-1:]
    if not last or last[0].lstrip(":=?|(,-–—").lower() not in says:
        return False
    return any(own.end("all") == end for own in pattern.finditer(text, start, end))


def _words(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[Answer]:
    """Answers in words, or by options: "Stroke: [x] Yes [ ] No"."""
    says, pattern = _answered()
    ended = 0
    for match in pattern.finditer(text):
        floor, high = max(ended, match.start() - _QUESTION), match.start()
        low = max((own.end() for own in _BEGINS.finditer(text, floor, high)), default=floor)
        status = says[match["word"].lower()] if match["word"] else "hypothetical"
        if status == "present" or not _is_list(text, spans, low, high):
            low = max(low, text.rfind(",", low, high) + 1)  # "Cough for a week, fever: no"
        yield Answer(status, *match.span("all"), low, high)
        ended = match.end()


def _is_list(text: str, spans: Sequence[tuple[int, int]], low: int, high: int) -> bool:
    """Whether a question names things and nothing between them: "Fever, chills or cough: no"."""
    first, last = (bisect_right(spans, edge - 1, key=lambda own: own[0]) for edge in (low, high))
    edges = [low, *(edge for span in spans[first:last] for edge in span)]
    return all(_LIST.fullmatch(text, a, b) for a, b in zip(edges[::2], edges[1::2], strict=False))


def _marks(text: str) -> Iterator[Answer]:
    """Signs and boxes, of each clause all in front or all behind what they speak of."""
    rows, pattern = _marked()
    for clause in _CLAUSE.finditer(text) if pattern.search(text) else ():
        marks = list(pattern.finditer(text, *clause.span()))
        in_front = bool(marks) and not text[clause.start() : marks[0].start()].strip(" \t-*•")
        ends, starts = [clause.start(), *(own.end() for own in marks)], [*(own.start() for own in marks), clause.end()]
        for own, before, after in zip(marks, ends, starts[1:], strict=False):
            row = rows[own[0].lower()]
            if in_front:
                yield Answer(row["says"], *own.span(), own.end(), after)
            else:
                low = max(before, text.rfind(",", before, own.start()) + 1)
                yield Answer(row["says"], *own.span(), low, own.start())


def _signs(text: str) -> Iterator[Answer]:
    """Signs that are written to their word, in a clause that has both: a minus alone may be the dash of a list."""
    for clause in _CLAUSE.finditer(text) if "+" in text else ():
        signs = list(_SIGN.finditer(text, *clause.span()))
        if len({own[0] for own in signs}) == 2:
            for own, end in zip(signs, [*(own.start() for own in signs[1:]), clause.end()], strict=True):
                comma = text.find(",", own.end(), end)
                yield Answer(
                    "negated" if own[0] == "-" else "present", *own.span(), own.end(), comma if comma >= 0 else end
                )


@cache
def _answered() -> tuple[dict[str, Status], re.Pattern[str]]:
    """What each word says; the pattern of answers, in words or by options of which one is ticked, or none."""
    says: dict[str, Status] = {word: row["says"] for row in table("answers")["word"] for word in row["written"]}
    boxes = [row for row in table("answers")["mark"] if row.get("box")]
    ticked, empty = (
        _one_of(mark for row in boxes for mark in row["written"] if row["says"] == own)
        for own in ("present", "hypothetical")
    )
    blank = rf"(?:{empty})[ ]?(?:{_one_of(says)})\b[ ,/]*"
    chosen = rf"(?:{blank})*(?:(?:{ticked})[ ]?)?(?P<word>{_one_of(says)})(?:[ ,/]+{blank})*{_BEHIND}"
    return says, re.compile(rf"{_BETWEEN}(?P<all>{chosen}|(?:{blank})+)", re.I)


@cache
def _marked() -> tuple[dict[str, dict[str, Any]], re.Pattern[str]]:
    rows = {written: row for row in table("answers")["mark"] for written in row["written"]}
    return rows, re.compile(_one_of(rows), re.I)


def _one_of(written: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(written, key=len, reverse=True)))
