"""Whether a mention is true of the patient: cues and scopes in the manner of ConText.

Harkema, Dowling, Thornblade, Chapman: ConText, J Biomed Inform 2009; 42(5): 839-851.

The rules are rows of tables/assertion.toml; here is only how a cue reaches a mention. F1 with its 95 % interval by
document, phrases given, as `confide evaluate assertions --corpus CORPUS --half held-out` prints it (the kit: 306
sentences; case reports: 1,562 signs and diseases of 68; "absent" is negated or resolved). The cues were grown on the
other half; an earlier version of the kit's cues had seen both.

    negex_kit/sample.txt  absent      0.941 (0.857-0.988)
    negex_kit/sample.txt  negated     0.925 (0.830-0.985)
    negex_kit/sample.txt  historical  0.645 (0.375-0.857)
    maccrobat2020         absent      0.871 (0.824-0.915)
    maccrobat2020         negated     0.861 (0.811-0.905)
    maccrobat2020         uncertain   0.602 (0.472-0.723)

A logistic regression over words, cues and their distance, trained on one half of the case reports, did no better on the
other than these rules (absent .857 at best, uncertain .345 to .491), so there is none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.answers import Answer, answer_to, find_answers
from clinical.extraction.mentions import Assertion, Kind, Mention, Section, Status
from clinical.extraction.sections import heading_end, section_at, section_status, sections_of
from clinical.extraction.sentences import item_starts, sentences_of
from clinical.extraction.words import Words, longest_matches, phrase_matcher, required, table, text_of, words_of

# What is said of a mention that several cues reach: what is not there is not there, in whomever.
_PRECEDENCE: tuple[Status, ...] = (
    "negated",
    "family",
    "hypothetical",
    "conditional",
    "uncertain",
    "resolved",
    "historical",
)
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_OF_RESULTS: Final[tuple[Status, ...]] = ("family", "hypothetical", "conditional")  # what a result may be said to be
_OR = ("or", "nor")  # behind a comma they go on with a list
_INTRODUCES = (":", "-", "any", "of", "the", "following")  # between a cue and the list that it speaks of
_CLAUSE = 4  # a comma and, within this many words, a verb begin a new clause


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        says, direction, limit: what its cues say, in which direction, over how many words.
        lists: whether of a whole list that may be the subject of a verb.
        of: kinds of mentions that it speaks of; all if empty.
    """

    says: str
    direction: str = ""
    limit: int = 0
    lists: bool = False
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cue:
    """A cue as it stands in a note: words `first` to `last`, and the words `low` to `high` that it speaks of."""

    status: Status
    first: int
    last: int
    low: int
    high: int
    of: tuple[str, ...]

    @property
    def scope(self) -> tuple[int, int]:
        """First and end word of what it speaks of; the cue itself only where words on both sides are meant."""
        return self.low if self.low < self.first else self.last, self.high if self.high > self.last else self.first


@dataclass(frozen=True)
class _Ground:
    """A note for its cues: its words, where scopes stop, and its brackets, 1 where one opens and -1 where it closes."""

    words: Words
    stops: Mapping[int, frozenset[str]]
    brackets: Mapping[int, int]


class AssertionRules:
    """Gives every mention of `doc._.mentions` its assertion."""

    def __init__(self, nlp: Language) -> None:
        rows = table("assertion")
        self.verbs = frozenset(rows["verbs"])
        self.rules: dict[str, list[Rule]] = defaultdict(list)
        self.stops: dict[str, frozenset[str]] = defaultdict(frozenset)
        for row in rows["rule"]:
            for cue in row["cues"]:
                if row["says"] == "stop":
                    self.stops[cue] |= frozenset(row["ends"])
                else:
                    self.rules[cue].append(_rule(row))
        self.matcher = phrase_matcher(nlp.vocab, ((cue, cue) for cue in {**self.rules, **self.stops}))

    def __call__(self, doc: Doc) -> Doc:
        mentions: tuple[Mention, ...] = required(doc, "mentions")
        required(doc, "attributes_read")
        sections, words = sections_of(doc), words_of(doc)
        text = text_of(doc)
        answers = find_answers(text, ((mention.start, mention.end) for mention in mentions))
        reaching = self._reaching(doc, sections, words, answers)
        firsts = [start for start, _ in words.offsets]
        judged = []
        for mention in mentions:
            place = bisect_right(firsts, mention.start) - 1
            end = bisect_left(firsts, mention.end)
            section = section_at(sections, mention.start)
            near = (*reaching.get(place, ()), *reaching.get(end - 1, ()))
            cues = [
                cue for cue in near if (cue.first < place or cue.first >= end) and mention.kind in (cue.of or _KINDS)
            ]
            # Vital signs and results are of the visit, under whatever heading they were typed, and a test that has a
            # result was made, whatever else the list denies ("troponin neg, Cr 2.1"), if not of whom or when it says.
            if mention.kind == "test":
                section = None
                cues = [cue for cue in cues if cue.status in _OF_RESULTS] if mention.attributes else cues
            # A drug among past diseases is what they are treated with: "PMH: diabetes on insulin".
            if mention.kind == "medication" and section and section.label == "pastmedicalhx":
                section = None
            resulted = mention.kind == "test" and mention.attributes
            answer = None if resulted else answer_to(answers, mention.start, mention.end)
            if answer:  # no cue from outside the question counts
                low, high = _places(words, (answer.low, answer.high))
                cues = [cue for cue in cues if low <= cue.first < high]
            said = _judge(text, words, place, cues, section)
            judged.append(replace(mention, assertion=_answered(text, answer, said) if answer else said))
        doc._.mentions, doc._.asserted = tuple(judged), True
        return doc

    def _reaching(
        self, doc: Doc, sections: tuple[Section, ...], words: Words, answers: Sequence[Answer]
    ) -> dict[int, list[_Cue]]:
        """The cues that reach each word; bounded by the limits of the rules, whatever the length of a sentence.

        A cue that is an answer is none here: it speaks of its own question alone.
        """
        spoken = _places(words, (edge for own in answers for edge in (own.start, own.end)))
        answered = {place for first, end in zip(spoken[::2], spoken[1::2], strict=True) for place in range(first, end)}
        matches = longest_matches(self.matcher, words)
        stops = {first: self.stops[key] for key, first, _ in matches if key in self.stops}
        edges = {*(start for start, _ in sentences_of(doc)), *(s.start for s in sections), *map(heading_end, sections)}
        bounds, items = _places(words, edges), _places(words, item_starts(text_of(doc)))
        ground = _Ground(words, stops, _brackets(words, items))
        reaching: dict[int, list[_Cue]] = defaultdict(list)
        for key, first, last in matches:
            room = self._room(words, bounds, items, first, last)
            for rule in self.rules.get(key, ()):
                if rule.says not in _PRECEDENCE or first in answered:
                    continue
                # Of "without improvement" the improvement is denied: such a cue ends in front of its last words.
                # Of "HIV negative" it is HIV: such a cue begins behind its first words.
                behind = last - rule.limit if rule.direction == "within" else last
                begins = first + rule.limit if rule.direction == "opening" else first
                low = min(first, self._backward_end(ground, rule, begins, room.start))
                high = self._forward_end(ground, rule, behind, room.stop)
                cue = _Cue(rule.says, begins, behind, low, high, rule.of)
                for place in (*range(low, begins), *range(behind, high)):
                    reaching[place].append(cue)
        return reaching

    def _room(self, words: Words, bounds: list[int], items: list[int], first: int, last: int) -> range:
        """The words that a cue may speak of: of its sentence, and within it of its item of a list.

        A cue that stands right before a list speaks of all its items: "Denies: 1) fever 2) chills".
        """
        low, high = _around(bounds, first, len(words))
        item, following = _around(items, first, len(words))
        near = item < max(low, 0) and following - last <= len(_INTRODUCES)
        introduces = near and all(word in _INTRODUCES for word in words.lower[last:following])
        return range(max(low, item, 0), high if introduces else min(high, following))

    def _backward_end(self, ground: _Ground, rule: Rule, first: int, low: int) -> int:
        """The first of the words before a cue that it speaks of."""
        comma = None
        closed_brackets = 0
        own_verb = True  # the verb that the cue belongs to: "was" of "was not seen"
        end = max(low, first - rule.limit) if rule.direction in ("backward", "both") else first
        for place in range(first - 1, end - 1, -1):
            if rule.says in ground.stops.get(place, ()):
                return place + 1
            word = ground.words.lower[place]
            closed_brackets -= ground.brackets.get(place, 0)
            if closed_brackets < 0 and place < first - 1:  # the bracket that more than the cue stands in
                return place + 1
            if word == ",":
                comma = place
            elif word not in self.verbs:
                own_verb = False
            elif not own_verb:
                return (place if comma is None else comma) + 1
        return end

    def _forward_end(self, ground: _Ground, rule: Rule, last: int, high: int) -> int:
        """The end of the words behind a cue that it speaks of."""
        comma = None
        open_brackets = 0
        end = last if rule.direction in ("backward", "opening") else min(high, last + rule.limit)
        for place in range(last, end):
            word = ground.words.lower[place]
            open_brackets += ground.brackets.get(place, 0)
            if rule.says in ground.stops.get(place, ()) or open_brackets < 0:  # its bracket is closed
                return place
            if word == "," and not rule.lists:
                comma = place
            elif word in _OR or (word == "who" and rule.says == "family"):  # "his wife, who has"
                comma = None
            elif comma is not None and place - comma <= _CLAUSE and word in self.verbs:
                return comma
        return end


def _rule(row: Mapping[str, Any]) -> Rule:
    given = {key: row[key] for key in Rule.__dataclass_fields__ if key in row}
    return Rule(**given | {"of": tuple(row.get("of", ()))})


def _places(words: Words, edges: Iterable[int]) -> list[int]:
    """The words at which these places of the text lie, in order."""
    return [bisect_left(words.offsets, (edge, 0)) for edge in sorted(edges)]


def _around(bounds: list[int], place: int, end: int) -> tuple[int, int]:
    """The last bound at or before a word, or -1, and the next one behind it."""
    index = bisect_right(bounds, place)
    return bounds[index - 1] if index else -1, bounds[index] if index < len(bounds) else end


def _brackets(words: Words, items: Sequence[int]) -> dict[int, int]:
    """Which words are brackets; not those that mark an item: "1)"."""
    marks = {place + 1 for place in items}
    said = {"(": 1, ")": -1}
    return {place: said[word] for place, word in enumerate(words.lower) if word in said and place not in marks}


def _judge(text: str, words: Words, place: int, cues: list[_Cue], section: Section | None) -> Assertion:
    """The assertion of the strongest cue, the nearest among equals; a section speaks where it is stronger."""
    said = section_status(section) if section else "present"
    statuses = sorted({cue.status for cue in cues} | ({said} - {"present"}), key=_PRECEDENCE.index)
    if not statuses:
        return Assertion()
    status, also = statuses[0], tuple(statuses[1:])
    own = [cue for cue in cues if cue.status == status]
    if not own:
        assert section is not None  # nothing else said so
        end = heading_end(section)
        return Assertion(status, section.heading, section.start, end, end, section.end, also)
    best = min(own, key=lambda cue: abs(cue.first - place))
    start, end = words.offsets[best.first][0], words.offsets[best.last - 1][1]
    first, last = best.scope
    return Assertion(status, text[start:end], start, end, words.offsets[first][0], words.offsets[last - 1][1], also)


def _answered(text: str, answer: Answer, said: Assertion) -> Assertion:
    """What an answer says, whatever its question says besides: "Family history of gout: no"; a yes leaves that."""
    if answer.says == "present":
        return said
    also = tuple(own for own in (said.status, *said.also) if own not in ("present", answer.says))
    scope = min(answer.low, answer.end), max(answer.high, answer.start)
    return Assertion(answer.says, text[answer.start : answer.end], answer.start, answer.end, *scope, also)


def _make(nlp: Language, name: str) -> AssertionRules:
    return AssertionRules(nlp)


Language.factory(
    "clinical_assertion",
    requires=["doc._.mentions", "doc._.attributes_read", "doc._.sections", "doc._.sentences"],
    assigns=["doc._.mentions", "doc._.asserted"],
    func=_make,
)
