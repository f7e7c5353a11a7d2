"""confide summary: complaints, problems, medications, results and open loops of a patient, each with its quotation."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.commands.ask import in_words
from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clinical.record.summary import Summary


def summary(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The patient's pseudonym.")],
    site: SiteOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Sum up all notes of a patient (purpose TREAT): every line quotes the note that it comes from.

    [dim]Example: confide summary 8d0f4c21 --site north[/]
    """
    from clinical.record.care import summarise_for_care
    from policies.workspace import Workspace

    found = summarise_for_care(chosen_site(Workspace.existing(workspace), site), patient)
    if as_json:
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
    else:
        show(found)


def show(found: Summary) -> None:
    """Print a summary for people."""
    from dashboard.console import say

    for title, lines in _parts(found):
        say(title)
        for said, quotation in lines:
            say(f"  {said}\n      {quotation}")
        if not lines:
            say("  none")


def _parts(found: Summary) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The headings of the page with their lines, each with its quotation."""
    yield "complaints in the newest note", [(own.concept, in_words(own.quotation)) for own in found.complaints]
    yield (
        "problems",
        [
            (f"{own.concept}: {said}, first in {own.first.record}", in_words(words))
            for own in found.problems
            for said, words in own.said
        ],
    )
    yield (
        "medications",
        [
            (
                " ".join(
                    filter(None, (f"{own.concept}: {own.change}", own.dose, own.before and f"(before: {own.before})"))
                )
                + (f", not in the list of {own.missing_from}" if own.missing_from else ""),
                in_words(own.quotation),
            )
            for own in found.medications
        ],
    )
    yield (
        "results",
        [
            (
                f"{own.test}: {' > '.join(value.written for value in own.values)} {own.unit} {own.trend}".rstrip(),
                in_words(own.values[-1].quotation),
            )
            for own in found.results
        ],
    )
    yield "open", [(own.in_words, in_words(own.quotation)) for own in found.loops]
    yield (
        "timeline",
        [
            (f"{own.date or 'no date'} {own.record} {own.heading}".rstrip(), in_words(own.quotation))
            for own in found.timeline
        ],
    )
