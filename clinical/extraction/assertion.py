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
    maccrobat2020         uncertain   0.596 (0.469-0.712)

A logistic regression over words, cues and their distance, trained on one half of the case reports, did no better on the
other than these rules (absent .857 at best, uncertain .345 to .491), so there is none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast, get_args

from spacy.language import Language
from spacy.tokens import Doc

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
_OR = ("or", "nor")  # behind a comma they go on with a list
_OPENS, _CLOSES = (":", ",", "?", "-", "–", "—"), (".", ",", ";")  # around an answer: "Fever: no, chills: yes."
_INTRODUCES = (":", "-", "any", "of", "the", "following")  # between a cue and the list that it speaks of
_CLAUSE = 4  # a comma and, within this many words, a verb begin a new clause


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        says, direction, limit: what its cues say, in which direction, over how many words.
        lists: whether of a whole list that may be the subject of a verb.
        answers: whether only where a cue is all that is answered: "Fever: no."
        of: kinds of mentions that it speaks of; all if empty.
    """

    says: str
    direction: str = ""
    limit: int = 0
    lists: bool = False
    answers: bool = False
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
        sections, words = sections_of(doc), words_of(doc)
        text = text_of(doc)
        reaching = self._reaching(doc, sections, words)
        firsts = [start for start, _ in words.offsets]
        judged = []
        for mention in mentions:
            place = bisect_right(firsts, mention.start) - 1
            end = bisect_left(firsts, mention.end)
            section = section_at(sections, mention.start)
            near = (*reaching.get(place, ()), *reaching.get(end - 1, ()))
            cues = [cue for cue in near if (cue.first < place or cue.first >= end) and mention.kind in (cue.of or _KINDS)]
            # Vital signs and results are of the visit, under whatever heading they were typed, and a test that has a
            # result was made, whatever else the list denies ("troponin neg, Cr 2.1").
            if mention.kind == "test":
                section, cues = None, [] if mention.attributes else cues
            judged.append(replace(mention, assertion=_judge(text, words, place, cues, section)))
        doc._.mentions = tuple(judged)
        return doc

    def _reaching(self, doc: Doc, sections: tuple[Section, ...], words: Words) -> dict[int, list[_Cue]]:
        """The cues that reach each word; bounded by the limits of the rules, whatever the length of a sentence."""
        matches = longest_matches(self.matcher, words)
        stops = {first: self.stops[key] for key, first, _ in matches if key in self.stops}
        edges = {*(start for start, _ in sentences_of(doc)), *(s.start for s in sections), *map(heading_end, sections)}
        bounds, items = _places(words, edges), _places(words, item_starts(text_of(doc)))
        reaching: dict[int, list[_Cue]] = defaultdict(list)
        for key, first, last in matches:
            room = self._room(words, bounds, items, first, last)
            for rule in self._said(words, key, first, last, room):
                # Of "without improvement" the improvement is denied: such a cue ends in front of its last words.
                # Of "HIV negative" it is HIV: such a cue begins behind its first words.
                behind = last - rule.limit if rule.direction == "within" else last
                begins = first + rule.limit if rule.direction == "opening" else first
                low = min(first, self._backward_end(words, stops, rule, begins, room.start))
                high = self._forward_end(words, stops, rule, behind, room.stop)
                cue = _Cue(cast(Status, rule.says), begins, behind, low, high, rule.of)
                for place in (*range(low, begins), *range(behind, high)):
                    reaching[place].append(cue)
        return reaching

    def _room(self, words: Words, bounds: list[int], items: list[int], first: int, last: int) -> range:
        """The words that a cue may speak of: of its sentence, and within it of its item of a list.

        A cue that stands right before a list speaks of all its items: "Denies: 1) fever 2) chills".
        """
        low, high = _around(bounds, first, len(words))
        item, following = _around(items, first, len(words))
        introduces = item < max(low, 0) and all(word in _INTRODUCES for word in words.lower[last:following])
        return range(max(low, item, 0), high if introduces else min(high, following))

    def _said(self, words: Words, key: str, first: int, last: int, room: range) -> list[Rule]:
        """The rows that count for a cue where it stands: as an answer those for answers alone, if there are any."""
        rules = [rule for rule in self.rules.get(key, ()) if rule.says in _PRECEDENCE]
        opened = first > room.start and words.lower[first - 1] in _OPENS
        answers = opened and (last >= room.stop or words.lower[last] in _CLOSES)
        return [rule for rule in rules if rule.answers == answers] or [rule for rule in rules if not rule.answers]

    def _backward_end(self, words: Words, stops: dict[int, frozenset[str]], rule: Rule, first: int, low: int) -> int:
        """The first of the words before a cue that it speaks of."""
        comma = None
        closed_brackets = 0
        own_verb = True  # the verb that the cue belongs to: "was" of "was not seen"
        end = max(low, first - rule.limit) if rule.direction in ("backward", "both") else first
        for place in range(first - 1, end - 1, -1):
            if rule.says in stops.get(place, ()):
                return place + 1
            word = words.lower[place]
            closed_brackets += (word == ")") - (word == "(")
            if closed_brackets < 0 and place < first - 1:  # the bracket that more than the cue stands in
                return place + 1
            if word == ",":
                comma = place
            elif word not in self.verbs:
                own_verb = False
            elif not own_verb:
                return (place if comma is None else comma) + 1
        return end

    def _forward_end(self, words: Words, stops: dict[int, frozenset[str]], rule: Rule, last: int, high: int) -> int:
        """The end of the words behind a cue that it speaks of."""
        comma = None
        open_brackets = 0
        end = last if rule.direction in ("backward", "opening") else min(high, last + rule.limit)
        for place in range(last, end):
            word = words.lower[place]
            open_brackets += (word == "(") - (word == ")")
            if rule.says in stops.get(place, ()) or open_brackets < 0:  # the bracket that the cue stands in is closed
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


def _make(nlp: Language, name: str) -> AssertionRules:
    return AssertionRules(nlp)


Language.factory(
    "clinical_assertion",
    requires=["doc._.mentions", "doc._.sections", "doc._.sentences"],
    assigns=["doc._.mentions"],
    func=_make,
)
