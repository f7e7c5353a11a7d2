"""Which mention a dose, a value, a body site or a time belongs to: the one that costs least.

Words, commas and other mentions between them cost, within one sentence; the costs are rows of tables/relations.toml.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from clinical.extraction.mentions import Mention, Relation, RelationKind
from clinical.extraction.words import table

_REACH = 200  # characters between a mention and what is said of it
_NEAREST = 3  # mentions on either side that are tried
_WORD = re.compile(r"\w+|[;.]|[,()]")
_LISTED = 10  # mentions of one list that share what is said
_OTHER_NAME = re.compile(r"\s*\(")


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    words = {name: rf"\b(?:{'|'.join(own)})\b" for name, own in table("relations")["words"].items()}
    joining, determiner = words["joining"], words["determiners"]
    return {
        "list": re.compile(rf"\s*(?:\([^()\n]{{1,20}}\))?[\s,/&]*(?:{joining})?[\s,]*(?:{determiner})?\s*", re.I),
        "and": re.compile(rf"{joining}|[/&]", re.I),
        "preposition": re.compile(rf"{words['prepositions']}(?:\s+{determiner})*\s*\Z", re.I),
    }


def _is_list(text: str, start: int, end: int) -> bool:
    return _patterns()["list"].fullmatch(text, start, end) is not None


@dataclass(frozen=True)
class Tail:
    """Something at `text[start:end]` that is said of a mention; `value` is its canonical form."""

    kind: RelationKind
    start: int
    end: int
    value: str = field(default="", repr=False)


@dataclass(frozen=True)
class Rule:
    """One row of the table: what a tail may belong to, and what each thing between them costs."""

    heads: tuple[str, ...]
    before: float
    after: float
    preposition: float
    crossed: float
    comma: float
    stop: float
    most: float
    shared: bool

    def between(self, gap: str) -> float:
        """The cost of the words and marks of a gap."""
        return sum(self.stop if word in ";." else self.comma if word in ",()" else 1.0 for word in _WORD.findall(gap))


@cache
def rules() -> dict[str, Rule]:
    """The rules by kind of tail; "word" is that of a value without digits."""
    return {
        name: Rule(**{key: row[key] for key in Rule.__dataclass_fields__})
        for name, row in table("relations")["link"].items()
    }


def relate(
    text: str, sentences: Sequence[tuple[int, int]], mentions: Sequence[Mention], tails: Iterable[Tail]
) -> tuple[Relation, ...]:
    """The relations of tails to mentions, in the order of the tails; linear in the length of the text.

    Args:
        sentences: (start, end) in order, without overlaps.
        mentions: in order, without overlaps.
        tails: in any order; those that stand in a list are linked together.
    """
    by_rule: dict[str, list[Tail]] = {}
    for tail in sorted(tails, key=lambda own: own.start):
        by_rule.setdefault(_rule_of(tail), []).append(tail)
    found: list[Relation] = []
    for name, own in by_rule.items():
        linker = _Linker(_blanked(text, own), rules()[name], mentions)
        for sentence, run in _runs(text, own, sentences):
            found += linker.link(text, sentence, run)
    return tuple(sorted(found, key=lambda own: (own.tail_start, own.head_start)))


def _rule_of(tail: Tail) -> str:
    return "word" if tail.kind == "value" and not any(map(str.isdigit, tail.value)) else tail.kind


def _blanked(text: str, tails: Iterable[Tail]) -> str:
    """The text without its tails: they cost nothing to one another."""
    pieces, end = [], 0
    for tail in tails:
        pieces += [text[end : tail.start], " " * (tail.end - max(end, tail.start))]
        end = max(end, tail.end)
    return "".join(pieces) + text[end:]


def _runs(
    text: str, tails: Sequence[Tail], sentences: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], list[Tail]]]:
    """Tails that stand in a list, together, with their sentence."""
    starts = [start for start, _ in sentences]
    run: list[Tail] = []
    place = -1
    for tail in tails:
        own = bisect_right(starts, tail.start) - 1
        if run and (own != place or tail.start < run[-1].end or not _is_list(text, run[-1].end, tail.start)):
            yield sentences[place], run
            run = []
        place = own
        if own >= 0:
            run.append(tail)
    if run:
        yield sentences[place], run


class _Linker:
    """Finds the heads of tails of one kind; `text` is without those."""

    def __init__(self, text: str, rule: Rule, mentions: Iterable[Mention]) -> None:
        self.text, self.rule = text, rule
        heads = [own for own in mentions if own.kind in rule.heads]
        # "ejection fraction (EF)": the second is another name of the first
        self.heads = heads[:1] + [
            own for last, own in pairwise(heads) if not _OTHER_NAME.fullmatch(text, last.end, own.start)
        ]
        self.starts, self.ends = [own.start for own in self.heads], [own.end for own in self.heads]

    def link(self, text: str, sentence: tuple[int, int], run: Sequence[Tail]) -> Iterator[Relation]:
        """The relations of a list of tails to the mention that costs least, and to those in a list with it."""
        costs = dict(self._costs(text, sentence, run[0].start, run[-1].end))
        best = min(costs, key=lambda index: costs[index], default=None)
        if best is None or costs[best] > self.rule.most:
            return
        listed = self._listed(text, best, sentence, run[0].start)
        if not self.rule.shared and len(listed) == len(run):  # "BUN and creatinine were 23 and 1.2"
            pairs = list(zip(listed, run, strict=True))
        else:
            pairs = [(index, tail) for tail in run for index in (listed if self.rule.shared else [best])]
        for index, tail in pairs:
            head = self.heads[index]
            yield Relation(tail.kind, head.start, head.end, tail.start, tail.end, tail.value)

    def _costs(self, text: str, sentence: tuple[int, int], start: int, end: int) -> Iterator[tuple[int, float]]:
        rule = self.rule
        tied = rule.preposition if _patterns()["preposition"].search(text, max(sentence[0], start - 25), start) else 0.0
        low, high = bisect_right(self.ends, start), bisect_left(self.starts, end)
        for crossed, index in enumerate(range(low - 1, max(-1, low - 1 - _NEAREST), -1)):
            head = self.heads[index]
            if head.start < sentence[0] or start - head.end > _REACH:
                break
            yield index, rule.before + tied + crossed * rule.crossed + rule.between(self.text[head.end : start])
        for crossed, index in enumerate(range(high, min(len(self.heads), high + _NEAREST))):
            head = self.heads[index]
            if head.end > sentence[1] or head.start - end > _REACH:
                break
            yield index, rule.after + crossed * rule.crossed + rule.between(self.text[end : head.start])

    def _listed(self, text: str, best: int, sentence: tuple[int, int], start: int) -> list[int]:
        """A mention and those in a list with it, away from the tail: "cough, fever and chills for 3 days"."""
        step = -1 if self.ends[best] <= start else 1
        found = [best]
        gaps = []
        while 0 <= (index := found[-1] + step) < len(self.heads) and len(found) < _LISTED:
            first, second = sorted((index, found[-1]))
            gap = self.ends[first], self.starts[second]
            if self.starts[first] < sentence[0] or gap[1] > sentence[1] or not _is_list(text, *gap):
                break
            found.append(index)
            gaps.append(text[slice(*gap)])
        # without "and" the commas of a history part things of their own
        return sorted(found) if any(map(_patterns()["and"].search, gaps)) else [best]
