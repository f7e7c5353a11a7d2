"""confide ask: a question to a patient's record, answered by a quotation."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.commands.extract import read_note_file
from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_site
from policies.errors import InputError

if TYPE_CHECKING:
    from clinical.record.ask import Answer
    from clinical.record.quotation import Quotation


def ask(
    words: Annotated[list[str], typer.Argument(metavar="[PATIENT] QUESTION...", help="Pseudonym, and questions.")],
    note: Annotated[Path | None, typer.Option(help="Ask this file (or - ) instead of a patient's notes.")] = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Ask all notes of a patient (purpose TREAT): a quotation with its place, or "not stated".

    Several questions follow one another: "Any chest pain?" "Since when?"

    [dim]Example: confide ask 8d0f4c21 "Does she have a fever?" --site north[/]
    """
    from clinical.record.care import Talk, one_note
    from policies.workspace import Workspace

    if len(words) < (1 if note else 2) or not all(word.strip() for word in words):
        hint = 'Write: confide ask PATIENT "question", or confide ask --note FILE "question".'
        raise InputError("a patient and a question are needed, or --note and a question", hint)
    opened = chosen_site(Workspace.existing(workspace), site)
    if note:
        largest = opened.guard.policy.deidentification.largest_note_bytes
        talk = Talk(opened, "", one_note(note.name, lambda: read_note_file(note, largest)[0]))
        questions = words
    else:
        talk, questions = Talk(opened, words[0]), words[1:]
    answers = [talk.ask(question) for question in questions]
    if as_json:
        sys.stdout.write(json.dumps([asdict(answer) for answer in answers]) + "\n")
        return
    for answer in answers:
        show(answer)


def show(answer: Answer) -> None:
    """Print an answer for people."""
    from dashboard.console import say

    found = "by rules" if answer.by == "rules" else f"score {answer.score:.2f}"
    if answer.quotation is None:
        say(f"not stated ({found})")
        return
    because = f" because of '{answer.cue}'" if answer.cue else ""
    status = f", {answer.status}{because}" if answer.status else ""
    say(f"{in_words(answer.quotation)} ({found}{status})")
    for other in answer.others:
        say(f"  also {in_words(other)}")


def in_words(quotation: Quotation) -> str:
    """A quotation in one line, with where it stands."""
    date = f" of {quotation.date}" if quotation.date else ""
    words = " ".join(quotation.text.split())
    return f'"{words}" [{quotation.record}{date}, {quotation.start}-{quotation.end}]'
