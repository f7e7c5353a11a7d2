"""What a note says happens to a medication: it is started, changed, stopped, held, continued, planned or not taken.

Cues, and what stands in their way, are tables/record.toml. A cue speaks of a medication where no other thing, no new
thought and no comma stands between; of a list of medications it speaks of all.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from clinical.extraction.mentions import Mention, NoteFacts
from clinical.extraction.units import any_of
from clinical.record.cues import Cue, cues_in
from policies.files import table_of

Change = Literal["started", "changed", "stopped", "held", "continued", "planned", "not taken"]
_REACH = 120  # characters between a cue and a medication
_DRUG, _OTHER = "\x01", "\x02"  # every letter of a medication, and of another mention
_DENIED = (None, "started", "changed")  # what a drug that is denied is not
_SINGULAR = re.compile(r"\b(?:was|is|has)\b", re.I)
_AND = re.compile(r"\b(?:and|or|plus|were|are|have)\b|&", re.I)
_INSTEAD = re.compile(rf"{_DRUG}\s*to\s*\Z")  # "changed from lisinopril to losartan"
_REASON = re.compile(rf"\b(?:for|in|after|due to)\b[^{_OTHER}]*{_OTHER}+")


@dataclass(frozen=True)
class _Sentence:
    """A sentence in which letters of mentions are replaced and doses left out, and its cues; offsets are the note's."""

    start: int
    masked: str
    cues: Sequence[Cue]
    begins: Sequence[int]

    def words(self, start: int, end: int) -> str:
        """The masked words from one offset of the note to another."""
        return self.masked[max(0, start - self.start) : max(0, end - self.start)]


def changes_of(text: str, facts: NoteFacts) -> dict[int, Change]:
    """What is said of medications, by the character at which each mention begins; of some nothing is.

    Linear in the length of the note: cues are sought once in each sentence, and compared with what is near them.
    """
    found: dict[int, Change] = {}
    for start, end, inside in _by_sentence(facts):
        if drugs := [own for own in inside if own.kind == "medication"]:
            sentence = _read(text, start, end, inside)
            said = ((own.start, _change(own, sentence)) for own in drugs)
            found.update((place, change) for place, change in said if change)
    return found


def _by_sentence(facts: NoteFacts) -> Iterator[tuple[int, int, Sequence[Mention]]]:
    begins = [own.start for own in facts.mentions]
    for start, end in facts.sentences:
        yield start, end, facts.mentions[bisect_left(begins, start) : bisect_left(begins, end)]


def _read(text: str, start: int, end: int, mentions: Sequence[Mention]) -> _Sentence:
    letters = list(text[start:end])
    for own in mentions:
        for one in own.attributes:
            _put(letters, " ", one.start - start, one.end - start)
    for own in mentions:
        if own.kind != "anatomy":
            _put(letters, _DRUG if own.kind == "medication" else _OTHER, own.start - start, own.end - start)
    cues = _outermost(cues_in("change", text, start, end))
    return _Sentence(start, "".join(letters), cues, [own.start for own in cues])


def _put(letters: list[str], letter: str, start: int, end: int) -> None:
    start, end = max(start, 0), min(end, len(letters))
    letters[start:end] = letter * (end - start)


def _outermost(cues: Iterator[Cue]) -> list[Cue]:
    """The cues in order, without those that are a part of another in the same direction: "off" of "hold off on"."""
    kept: list[Cue] = []
    reached = {"forward": 0, "backward": 0}
    for own in sorted(cues, key=lambda one: (one.start, -one.end)):
        if own.end > reached[own.row["direction"]]:
            kept.append(own)
            reached[own.row["direction"]] = own.end
    return kept


def _change(mention: Mention, sentence: _Sentence) -> Change | None:
    """A change by its cues, or else by its assertion; an allergy and a relative's drug have none."""
    status = mention.assertion.status
    if status in ("family", "conditional") or "conditional" in mention.assertion.also:
        return None
    said = _by_cues(mention, sentence)
    if status == "negated":
        return "not taken" if said in _DENIED else said
    if said or status != "resolved":
        return said
    cue = mention.assertion.cue_start or 0
    weighed = any(own.start <= cue < own.end for own in sentence.cues)  # and found to speak of something else
    return "continued" if weighed else "stopped"


def _by_cues(drug: Mention, sentence: _Sentence) -> Change | None:
    """What the nearest cue says that speaks of it, or the last of those that go on from there: "stopped, restarted"."""
    low, high = bisect_left(sentence.begins, drug.start - _REACH), bisect_right(sentence.begins, drug.end + _REACH)
    near = sentence.cues[low:high]
    away = [(words, own) for own in near if (words := _away(sentence, own, drug)) <= own.row["limit"]]
    if not away:
        return None
    cue = min(away, key=lambda one: one[0])[1]
    for own in near:
        if own.start >= max(cue.end, drug.end) and _goes_on(sentence, max(cue.end, drug.end), own):
            cue = own
    return _said(sentence, cue, drug)


def _away(sentence: _Sentence, cue: Cue, drug: Mention) -> int:
    """Words between a cue and a drug that it may speak of, medications not counted; very many where it does not."""
    forward = cue.row["direction"] == "forward"
    start, end = (cue.end, drug.start) if forward else (drug.end, cue.start)
    if start > end:
        return _REACH
    words = sentence.words(start, end)
    free = _reaches_on(words) if forward else _reaches_back(words, cue, sentence)
    return len(re.findall(r"[\w']+", words)) if free else _REACH


def _reaches_on(words: str) -> bool:
    """Whether what stands between a cue and a drug behind it lets it through: "the", or other drugs of a list."""
    words = words.lstrip(" :")
    first = _patterns()["list"].search(words)
    list_of_drugs = first is None or _DRUG in words[: first.start()]
    ends = _OTHER in words or _INSTEAD.search(words) or _patterns()["breaks"].search(words)
    return list_of_drugs and not ends


def _reaches_back(words: str, cue: Cue, sentence: _Sentence) -> bool:
    """Whether what stands between a drug and a cue behind it does: nothing, the reason, or other drugs of a list."""
    said = sentence.words(cue.start, cue.end)
    passive = _patterns()["passive"].match(said) is not None
    if _DRUG in words and (_SINGULAR.search(words + said) or not _AND.search(words + said)):
        return False
    words = _patterns()["auxiliary"].sub("", words).rstrip(" ,")
    words = _patterns()["listed"].sub("", _REASON.sub("", words) if passive else words)
    ends = _OTHER in words or _patterns()["breaks"].search(words) or _patterns()["list"].search(words)
    return not ends and (passive or not _has_object(sentence, cue))


def _has_object(sentence: _Sentence, cue: Cue) -> bool:
    """Whether a cue speaks of what stands behind it: "stopped smoking", but not "stopped in May"."""
    words = sentence.words(cue.end, cue.end + _REACH)
    return _patterns()["free"].match(words) is None or _patterns()["object"].match(words) is not None


def _goes_on(sentence: _Sentence, start: int, cue: Cue) -> bool:
    """Whether a cue behind another has the same subject: "stopped last year, restarted in May"."""
    words = sentence.words(start, cue.start)
    joined = _patterns()["joined"].search(words) and not any(mark in words for mark in (_DRUG, _OTHER, ";", ":"))
    return bool(joined) and cue.row["direction"] == "backward" and not _has_object(sentence, cue)


def _said(sentence: _Sentence, cue: Cue, drug: Mention) -> Change:
    """What a cue says where it stands: denied, only thought of, or so."""
    before = sentence.words(max(sentence.start, cue.start - _REACH), cue.start)
    behind = sentence.words(max(cue.end, drug.end), max(cue.end, drug.end) + _REACH)
    says = "says"
    if _patterns()["perhaps"].search(before) or _patterns()["condition"].match(behind):
        says = "perhaps"
    if drug.assertion.status == "hypothetical":
        says = "perhaps"
    change: Change = cue.row["denied" if _patterns()["denying"].search(before) else says]
    return change


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """The words of the table, as they are sought in masked words."""
    of = {name: rf"(?<![\w-])(?:{any_of(words)})(?![\w-])" for name, words in _reach().items()}
    joint = "|".join(rf"\b{any_of([own])}\b" if own[0].isalpha() else re.escape(own) for own in _reach()["list"])
    small = rf"(?:\s+{of['small']}){{0,3}}\s*\Z"
    written = {
        "breaks": rf"{of['breaks']}|;",
        "list": joint,
        "listed": rf"(?:(?:{joint})\s*)+(?:{of['own']}\s*)*{_DRUG}+",
        "auxiliary": rf"(?:{of['auxiliary']}\s*)+\Z",
        "passive": of["auxiliary"],
        "free": rf"\s*(?:\Z|[^\w\s]|\d|{of['behind']})",
        "object": rf"\s*(?:{of['own']}\s*){{0,2}}[{_DRUG}{_OTHER}]",
        "joined": rf"(?:,|\b(?:and|then|but)\b)\s*(?:{of['auxiliary']}\s*)*\Z",
        "denying": of["denying"] + small,
        "perhaps": of["perhaps"] + small,
        "condition": rf"(?:(?!{of['apart']}|[,;.]).){{0,80}}?(?!{of['conditions']}){of['condition']}",
    }
    return {name: re.compile(own, re.I) for name, own in written.items()}


def _reach() -> dict[str, list[str]]:
    found: dict[str, list[str]] = table_of("clinical", "tables/record")["reach"]
    return found
