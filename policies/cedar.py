"""Cedar policy sets: read once, checked against the schema, every problem with its line.

The Cedar library says what is wrong and in which policy, not in which line, so the text is cut into its policies here.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_PIECES = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|;', re.DOTALL)  # a semicolon in a comment or a string ends nothing
_LITERALS = re.compile(
    r'//[^\n]*|@\w+\s*\(\s*"(?:\\.|[^"\\])*"\s*\)|(?:\b(?P<type>\w+)\s*::\s*)?"(?P<value>(?:\\.|[^"\\])*)"', re.DOTALL
)
_BEFORE = re.compile(r"(?:\s|//[^\n]*)*")
_QUOTED = re.compile(r"`([^`]+)`")
_NOISE = re.compile(r"^for policy `[^`]*`, | for Action::\"\w+\"(?= not found)")  # one fault is said for each action


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a policy set, and the line of its text, from 1."""

    line: int
    message: str


@dataclass(frozen=True)
class Statement:
    """One policy of a set: its text, and the line on which it begins."""

    line: int
    text: str


@dataclass(frozen=True)
class Rule:
    """What a policy of a set is for people: its @id, its line, and whether it permits without any condition."""

    id: str
    line: int
    unconditional: bool


@dataclass(frozen=True)
class Literal:
    """A string in a policy set as it is written: the id of an entity of some type, or without a type a plain one."""

    line: int
    type: str
    value: str


def schema() -> str:
    """What a question to a policy set looks like, as Cedar schema."""
    return resources.files("policies").joinpath("access.cedarschema").read_text("utf-8")


@cache
def parsed(text: str) -> Any:
    """A policy set, ready for questions; raises ValueError where it does not parse."""
    from cedarpy import PolicySet  # a compiled library that only decisions need

    return PolicySet.from_str(text)


@cache
def parsed_schema() -> Any:
    """The schema, ready for questions."""
    from cedarpy import Schema

    return Schema.from_str(schema())


def statements(text: str) -> list[Statement]:
    """The policies of a set in their order; the last may be torn."""
    ends = [match.end() for match in _PIECES.finditer(text) if match[0] == ";"]
    found = []
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        leading = _BEFORE.match(text, start, end)
        if leading and (begin := leading.end()) < end:
            found.append(Statement(text.count("\n", 0, begin) + 1, text[begin:end]))
    return found


def literals(text: str) -> list[Literal]:
    """Every string of a policy set in its order, but for those in comments and annotations."""
    return [
        Literal(text.count("\n", 0, match.start()) + 1, match["type"] or "", match["value"])
        for match in _LITERALS.finditer(text)
        if match["value"] is not None
    ]


_DEEPENING, _DEEPEST = ("(", "[", "{", "&&", "||", ".", "if ", "!", "-", "+", "*"), 250


def problems(text: str) -> tuple[Problem, ...]:
    """Why this is no policy set of Confide: it does not parse, asks for what the schema lacks, or a rule has no @id."""
    found = statements(text)
    if not found:
        return (Problem(1, "no rule at all, so nothing is permitted"),)
    torn = {Problem(part.line, why) for part in found if (why := _why_torn(part.text))}
    return tuple(sorted(torn or {*_misfits(text, found), *_unnamed(text)}))


def rules(text: str) -> tuple[Rule, ...]:
    """Every policy of a set that parses, in its order."""
    made = parsed(text).to_pst().static_policies
    named = [(made[f"policy{place}"], part.line) for place, part in enumerate(statements(text))]
    return tuple(
        Rule(one.annotations.get("id", ""), line, one.effect == "permit" and not one.clauses) for one, line in named
    )


def _why_torn(text: str) -> str:
    # The library descends by recursion, and ends the process where a rule goes too deep.
    if sum(map(text.count, _DEEPENING)) > _DEEPEST:
        return f"a rule with more than {_DEEPEST} brackets, operators and accesses"
    try:
        parsed(text)
    except ValueError as error:
        return str(error)
    return ""


def _misfits(text: str, found: list[Statement]) -> list[Problem]:
    from cedarpy import validate_policies

    places = {f"policy{place}": part for place, part in enumerate(found)}
    return [
        Problem(_line_of(error.error, places[error.policy_id]), _NOISE.sub("", error.error))
        for error in validate_policies(text, parsed_schema()).errors
    ]


def _line_of(message: str, part: Statement) -> int:
    """The line of the first thing that a message quotes, or of the policy's beginning."""
    places = [part.text.find(quoted) for quoted in _QUOTED.findall(message)]
    first = next((place for place in places if place >= 0), 0)
    return part.line + part.text.count("\n", 0, first)


def _unnamed(text: str) -> list[Problem]:
    found = rules(text)
    used = Counter(rule.id for rule in found)
    return [Problem(rule.line, "a rule without @id") for rule in found if not rule.id] + [
        Problem(rule.line, f"another rule has the @id '{rule.id}' too")
        for rule in found
        if rule.id and used[rule.id] > 1
    ]
