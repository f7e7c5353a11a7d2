"""The policy in force in plain words, what it said before, and what a proposed one would have decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from dashboard.view.audit import Log
from policies.access import Access, Action, Purpose
from policies.auditindex import Search, read
from policies.decisions import (
    Change,
    Replay,
    explain_policy,
    people_warnings,
    purpose_text,
    warnings,
    words,
)
from policies.errors import InputError
from policies.events import Entry, Event
from policies.exports.query import short_hashes
from policies.guard import Site
from policies.logview import LogView
from policies.policy import Policy, odd_values
from policies.proposed import replay_proposed
from policies.releases import epsilon_text
from policies.report import Document, Facts, fill_in
from policies.wording import to_the_minute
from privacy.training.budget import open_ledger

MOST_REPLAYED = 50_000
DAYS = 30
_MOST = 1000
DOCUMENTS = {
    Document.DPIA: "Impact assessment (GDPR 35(7))",
    Document.DATA_USE: "Data use agreement, annex (164.514(e)(4))",
}


@dataclass(frozen=True)
class Explained:
    """A policy in words.

    Attributes:
        may: who may do what: a heading, and sentences below it.
        odd: what looks like a mistake.
    """

    may: tuple[tuple[str, tuple[str, ...]], ...]
    odd: tuple[str, ...]


def explained(policy: Policy, access: Access) -> Explained:
    """What 'confide policy explain' and 'confide policy check' say; it takes a second or two."""
    may = list[tuple[str, tuple[str, ...]]]()
    for line in explain_policy(policy, access):
        if line.startswith(" "):
            head, below = may[-1]
            may[-1] = head, (*below, line.strip())
        else:
            may.append((line, ()))
    return Explained(tuple(may), (*warnings(access), *people_warnings(policy, access), *odd_values(policy)))


def history(log: Log, view: LogView) -> list[Mapping[str, Any]]:
    """Every change of the policy that the log tells of, one row for each key, the newest first."""
    hits = log.index.search(Search(event=Event.POLICY_CHANGED), _MOST)
    return [row for entry in reversed(list(read(view, (hit.sequence for hit in hits)))) for row in _changes(entry)]


def replayed(log: Log, view: LogView, proposed: bytes, since: date) -> Replay:
    """What the newest 50,000 decisions since a day would have been, as 'confide policy replay' finds out.

    Raises:
        InputError: the proposed access policy is no text, too large, or not what the schema accepts.
    """
    try:
        text = proposed.decode()
    except UnicodeDecodeError:
        raise InputError("the proposed policy is no UTF-8 text", "Save it as UTF-8.") from None
    decided = [
        hit
        for event in (Event.ACCESS_DECIDED, Event.ACCESS_DENIED)
        for hit in log.index.search(Search(since=since.isoformat(), event=event), MOST_REPLAYED)
    ]
    newest = sorted((hit.sequence for hit in decided), reverse=True)[:MOST_REPLAYED]
    return replay_proposed(text, read(view, newest))


def change_rows(changes: Mapping[Change, int]) -> list[Mapping[str, Any]]:
    """What would change, in words."""
    return [
        {
            "Account": one.actor,
            "To": words("actions", one.action),
            "For": purpose_text(one.purpose),
            "Would be": "permitted" if one.permitted else "denied",
            "Rules then": ", ".join(one.before) or "none",
            "Rules proposed": ", ".join(one.after) or "none",
            "Times": times,
        }
        for one, times in changes.items()
    ]


def document(log: Log, site: Site, kind: Document) -> bytes:
    """A document filled in from the policy, the ledger and the log, as Markdown.

    Raises:
        AccessDenied: this account may not see the budget.
        IntegrityError: log and ledger do not fit each other.
    """
    site.guard.permit(Action.VIEW_BUDGET, Purpose.OPERATIONS)
    events = dict[str, int]()
    for _, event, times in log.index.activity(Search()):
        events[event] = events.get(event, 0) + times
    spent = epsilon_text(open_ledger(site).spent())
    facts = Facts(site.name, datetime.now(UTC).date(), spent, events, site.guard.grants.open_reviews())
    return fill_in(kind, site.guard.policy, site.guard.access, facts).encode()


def _changes(entry: Entry) -> Sequence[Mapping[str, Any]]:
    facts, moment = entry.details, to_the_minute(entry.time)
    head = {"Time (UTC)": moment, "Account": entry.actor, "Policy": short_hashes(facts["policy"])}
    turned = [(one["key"], one["old"] or "", one["new"] or "") for one in facts["changes"]]
    if facts["access"] != facts["access_before"]:
        before, now = short_hashes(facts["access_before"]), short_hashes(facts["access"])
        turned.append(("access policy (hash)", before, now))
    return [{**head, "Key": key, "Before": before, "Now": now} for key, before, now in turned]
