"""One note as a card (CDS Hooks 2.0, Card Attributes): what it names and may support, with its sentences.

A card is to be read and has no `suggestions`: these would write a ranked condition into the record as if it were a
diagnosis. Everything that comes from a note is escaped, since `detail` is Markdown and is shown by another program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from clinical.diagnosis import Extraction, intended_use
from clinical.output import basis_lines, fact_rows
from policies.wording import counted

REASONS: Mapping[str, str] = {
    "not-relevant": "Not relevant now",
    "known": "Known already",
    "misread": "The note does not say this",
    "disagree": "I disagree with what is suggested",
}
_REASON_SYSTEM, _TOPIC_SYSTEM = "urn:confide:override-reason", "urn:confide:topic"
_LONGEST_SUMMARY = 139  # "<140-character"
_MOST_ROWS = 8  # of a kind
# Marks of GitHub Flavored Markdown and HTML; ':' and '@' begin what would become a link by itself.
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~&!:@]|(?<=www)\.")


def card(uuid: str, site: str, which: str, text: str, found: Extraction) -> dict[str, Any]:
    """The card of one note.

    Args:
        which: the note in a few words, such as "note of 2026-01-31".
    """
    return {
        "uuid": uuid,
        "summary": _summary(which, found),
        "indicator": "info",
        "detail": "\n".join(_detail(text, found)),
        "source": {
            "label": f"Confide at {site}",
            "topic": {"system": _TOPIC_SYSTEM, "code": "note-review", "display": "Review of a note"},
        },
        "overrideReasons": [
            {"code": code, "system": _REASON_SYSTEM, "display": words} for code, words in REASONS.items()
        ],
    }


def unread_card(uuid: str, site: str, count: int) -> dict[str, Any]:
    """The card that says that notes are there which were not read: no card would say that they hold nothing."""
    return {
        "uuid": uuid,
        "summary": f"{counted(count, 'note')} of this patient could not be read here",
        "indicator": "warning",
        "detail": "What is held at an address, as PDF, or in another format that is no text is not read, and of the "
        "notes in Confide's own records only the first few.",
        "source": {"label": f"Confide at {site}"},
    }


def _summary(which: str, found: Extraction) -> str:
    what = "share " if found.standing is None else ""
    likeliest = ", ".join(f"{one.title} ({what}{one.probability:.0%})" for one in found.suggestions)
    counts = [counted(sum(own.kind == kind for own in found.facts.mentions), kind) for kind in ("problem", "finding")]
    said = f"may support {likeliest}" if likeliest else f"names {' and '.join(counts)}; no condition is ranked"
    whole = f"The {which} {said}"
    return whole if len(whole) <= _LONGEST_SUMMARY else f"{whole[: _LONGEST_SUMMARY - 1]}…"


def _detail(text: str, found: Extraction) -> Iterator[str]:
    yield f"*{escaped(intended_use())}*"
    if why := found.refusal or found.caution:
        yield f"\n{escaped(why.capitalize())}."
    for line in found.standing.in_words() if found.standing else ():
        yield f"\n{escaped(line)}."
    for suggestion in found.suggestions:
        first, *basis = basis_lines(text, suggestion)
        yield f"\n**May support {escaped(first.strip())}**\n"
        yield from (f"- {escaped(' '.join(line.split()))}" for line in basis)
    if left_out := found.left_out():
        yield f"\n{escaped(left_out)}."
    for kind, rows in fact_rows(text, found.facts).items():
        yield f"\n**{kind.capitalize()}s**\n"
        for row in rows[:_MOST_ROWS]:
            said = "; ".join(filter(None, (row.said, row.status, row.details)))
            yield f"- {escaped(said)}; {escaped(row.evidence)}"
        if len(rows) > _MOST_ROWS:
            yield f"- and {len(rows) - _MOST_ROWS} more"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKUP.sub(lambda mark: f"\\{mark[0]}", text)
