"""Reviews of the log by people: what was asked for, which entries were drawn, what was found (45 CFR 164.312(b))."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from policies.auditindex import Hit
from policies.errors import InputError
from policies.events import Entry, Event
from policies.exports.query import Filter, in_words
from policies.files import canonical_json
from policies.guard import Server, Site
from policies.logview import LogView

Drawn = TypeVar("Drawn", Entry, Hit)
LONGEST_FINDING = 2000
_CONTEXT = "log.reviewed"


@dataclass(frozen=True)
class LogReview:
    """One review.

    Attributes:
        entry: its number in the log.
        found: how many entries there were to draw from.
        sample: the numbers of those that the reviewer looked at.
        query, finding: what the log itself keeps sealed.
    """

    entry: int
    time: str
    reviewer: str
    found: int
    sample: tuple[int, ...]
    query: str
    finding: str


def draw(entries: Sequence[Drawn], most: int) -> list[Drawn]:
    """Some entries, or places of entries, by chance, from the operating system's generator, in order.

    Raises:
        InputError: there is none to draw from.
    """
    if not entries:
        raise InputError("there is nothing to review: no entry fits this filter", "Widen the filter.")
    chosen = random.SystemRandom().sample(list(entries), min(most, len(entries)))
    return sorted(chosen, key=lambda entry: entry.sequence)


def sign_off(holder: Server | Site, asked: Filter, found: int, drawn: Sequence[Entry], finding: str) -> Entry:
    """Log a review under the account that made it; what it typed is sealed under the holder's key.

    Raises:
        InputError: the finding is empty, or too long.
    """
    if not 0 < len(finding.strip()) <= LONGEST_FINDING:
        raise InputError(f"a finding has 1 to {LONGEST_FINDING} characters", "Say what you found.")
    typed = canonical_json({"query": asked.words(), "finding": finding.strip()})
    guard = holder.guard
    return guard.log.append(
        Event.LOG_REVIEWED,
        sealed=holder.keys.seal(typed, _CONTEXT),
        policy=guard.policy.digest,
        found=found,
        sample=[entry.sequence for entry in drawn],
    )


def reviews_of(holder: Server | Site, view: LogView, entries: Iterable[Entry]) -> list[LogReview]:
    """The reviews among entries of a log; raises IntegrityError where one was altered."""
    reviews = []
    for entry in (one for one in entries if one.event is Event.LOG_REVIEWED):
        typed = json.loads(holder.keys.unseal(view.sealed(entry), _CONTEXT))
        query, sample = in_words(typed["query"]), tuple(entry.details["sample"])
        reviews.append(
            LogReview(entry.sequence, entry.time, entry.actor, entry.details["found"], sample, query, typed["finding"])
        )
    return reviews
