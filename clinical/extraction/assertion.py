"""Whether a mention is true of the patient: cues and scopes in the manner of ConText.

Harkema, Dowling, Thornblade, Chapman: ConText, J Biomed Inform 2009; 42(5): 839-851.

The rules are rows of tables/assertion.toml; here is only how a cue reaches a mention.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.mentions import Assertion, Mention, Section, Status
from clinical.extraction.sections import heading_end, section_at, section_status, sections_of
from clinical.extraction.sentences import sentences_of
from clinical.extraction.words import Words, longest_matches, phrase_matcher, required, table, text_of, words_of

# What is said of a mention that several cues reach: what is not there is not there, in whomever.
_PRECEDENCE: tuple[Status, ...] = ("negated", "family", "hypothetical", "uncertain", "historical")
_CLAUSE = 4  # a comma and, within this many words, a verb begin a new clause


@dataclass(frozen=True)
class Rule:
    """One row of the table: what its cues say, in which direction, and over how many words."""

    says: str
    direction: str
    limit: int


@dataclass(frozen=True)
class _Cue:
    first: int
    last: int
    status: Status


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
                    self.rules[cue].append(Rule(row["says"], row.get("direction", ""), row.get("limit", 0)))
        self.cue_matcher = phrase_matcher(nlp.vocab, ((cue, cue) for cue in self.rules))
        self.stop_matcher = phrase_matcher(nlp.vocab, ((cue, cue) for cue in self.stops))

    def __call__(self, doc: Doc) -> Doc:
        mentions: tuple[Mention, ...] = required(doc, "mentions")
        sections, words = sections_of(doc), words_of(doc)
        text = text_of(doc)
        starts = [section.start for section in sections]
        reaching = self._reaching(doc, sections, words)
        firsts = [start for start, _ in words.offsets]
        judged = []
        for mention in mentions:
            place = bisect_right(firsts, mention.start) - 1
            end = bisect_left(firsts, mention.end)
            section = section_at(sections, starts, mention.start, bisect_right(starts, mention.start))
            near = (*reaching.get(place, ()), *reaching.get(end - 1, ()))
            cues = [cue for cue in near if cue.first < place or cue.first >= end]
            # Vital signs and results are of the visit, under whatever heading they were typed, and a test that has a
            # result was made, whatever else the list denies ("troponin neg, Cr 2.1").
            if mention.kind == "test":
                section, cues = None, [] if mention.attributes else cues
            judged.append(replace(mention, assertion=_judge(text, words, place, cues, section)))
        doc._.mentions = tuple(judged)
        return doc

    def _reaching(self, doc: Doc, sections: tuple[Section, ...], words: Words) -> dict[int, list[_Cue]]:
        """The cues that reach each word; bounded by the limits of the rules, whatever the length of a sentence."""
        stops = {first: self.stops[key] for key, first, _ in longest_matches(self.stop_matcher, words)}
        edges = sorted(
            {*(start for start, _ in sentences_of(doc)), *(s.start for s in sections), *map(heading_end, sections)}
        )
        bounds = [bisect_left(words.offsets, (edge, 0)) for edge in edges]
        reaching: dict[int, list[_Cue]] = defaultdict(list)
        for key, first, last in longest_matches(self.cue_matcher, words):
            index = bisect_right(bounds, first)
            within = range(bounds[index - 1] if index else 0, bounds[index] if index < len(bounds) else len(words))
            for rule in self.rules[key]:
                if rule.says in _PRECEDENCE:
                    cue = _Cue(first, last, rule.says)
                    for place in self._scope(words, stops, rule, cue, within):
                        reaching[place].append(cue)
        return reaching

    def _scope(
        self, words: Words, stops: dict[int, frozenset[str]], rule: Rule, cue: _Cue, within: range
    ) -> Iterator[int]:
        """The words that a cue speaks of, within those of its sentence and section."""
        if rule.direction in ("backward", "both"):
            for place in range(cue.first - 1, max(within.start, cue.first - rule.limit) - 1, -1):
                if rule.says in stops.get(place, ()):
                    break
                yield place
        if rule.direction in ("forward", "both"):
            yield from range(cue.last, self._forward_end(words, stops, rule, cue, within.stop))

    def _forward_end(self, words: Words, stops: dict[int, frozenset[str]], rule: Rule, cue: _Cue, high: int) -> int:
        comma = None
        end = min(high, cue.last + rule.limit)
        for place in range(cue.last, end):
            if rule.says in stops.get(place, ()):
                return place
            word = words.lower[place]
            if word == ",":
                comma = place
            elif comma is not None and place - comma <= _CLAUSE and word in self.verbs:
                return comma
        return end


def _judge(text: str, words: Words, place: int, cues: list[_Cue], section: Section | None) -> Assertion:
    """The assertion of the strongest cue, the nearest among equals; a section speaks where it is stronger."""
    best = min(cues, key=lambda cue: (_PRECEDENCE.index(cue.status), abs(cue.first - place)), default=None)
    said = section_status(section) if section else "present"
    if section and said != "present" and (best is None or _PRECEDENCE.index(said) < _PRECEDENCE.index(best.status)):
        return Assertion(said, section.heading, section.start, heading_end(section))
    if best is None:
        return Assertion()
    start, end = words.offsets[best.first][0], words.offsets[best.last - 1][1]
    return Assertion(best.status, text[start:end], start, end)


def _make(nlp: Language, name: str) -> AssertionRules:
    return AssertionRules(nlp)


Language.factory(
    "clinical_assertion",
    requires=["doc._.mentions", "doc._.sections", "doc._.sentences"],
    assigns=["doc._.mentions"],
    func=_make,
)
