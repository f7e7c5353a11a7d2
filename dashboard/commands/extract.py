"""confide extract: facts and ranked conditions of one note, with evidence."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_model, chosen_site
from policies.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clinical.diagnosis import ConditionModel, Extraction, Suggestion
    from policies.guard import Site
    from policies.workspace import Workspace


_KINDS = ("problem", "finding", "medication", "test", "procedure")  # the order in which a clinician reads them


def extract(
    note: Annotated[Path, typer.Argument(metavar="NOTE", help="Text file, FHIR DocumentReference (JSON), or - .")],
    model: Annotated[str | None, typer.Option(help="Name of a signed model. \\[default: the one in use]")] = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Read one note for its patient's care (purpose TREAT): entities, assertions, and conditions with their sentences.

    [dim]Example: confide extract note.txt --site north[/]
    """
    from clinical.gateway import extract_for_care
    from policies.access import Action, Purpose
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    opened = chosen_site(place, site)
    opened.guard.permit(Action.EXTRACT, Purpose.TREATMENT)
    text = read_note_file(note, opened.guard.policy.deidentification.largest_note_bytes)
    found = extract_for_care(opened, text, ready_model(place, opened, model), {"source": "command line"})
    if as_json:
        sys.stdout.write(json.dumps(as_data(text, found)) + "\n")
    else:
        show(text, found)


def read_note_file(path: Path, largest: int) -> str:
    """The text of a note: a plain file, a DocumentReference, or standard input.

    Raises:
        InputError: no such file, too large, or not readable as text.
    """
    from clinical.attachments import read_attachment

    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", "Name a file with one note.", file=path) from None
    if not data.strip():
        raise InputError("the note is empty", "Name a file that holds a note, or - and write one.", file=path)
    if len(data) > largest:
        hint = "Split it, or let 'largest_note_bytes' in the policy be raised."
        raise InputError(f"{len(data)} bytes; the policy's largest note has {largest}", hint, file=path)
    if data.lstrip()[:1] == b"{":
        try:
            content = json.loads(data)["content"]
            return "\n".join(read_attachment(part["attachment"], largest) for part in content)
        except (ValueError, KeyError, TypeError):
            hint = "Name one FHIR DocumentReference (of an NDJSON file one line), or the text itself."
            raise InputError("JSON, but no DocumentReference with content", hint, file=path) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", "Save the note as UTF-8.", file=path) from None


def ready_model(workspace: Workspace, site: Site, name: str | None = None) -> ConditionModel | None:
    """A verified model, the one in use where none is named, or None where there is none; its loading is logged.

    Raises:
        InputError: no model of this name.
        IntegrityError: the model does not verify.
    """
    from policies.events import Event
    from policies.serving import in_use

    model = chosen_model(workspace, name) if name else in_use(site, workspace)
    if model is None:
        return None
    from clinical.diagnosis import ConditionModel

    site.guard.record(Event.MODEL_LOADED, model=model.name, signer=model.signer)
    return ConditionModel(model)


def as_data(text: str, found: Extraction) -> dict[str, object]:
    """The extraction as JSON, evidence with its words, and what it is for."""
    from clinical.diagnosis import intended_use

    data = asdict(found)
    for suggestion in data["suggestions"]:
        for evidence in (*suggestion["evidence"], *suggestion["against"]):
            evidence["text"] = text[evidence["start"] : evidence["end"]]
            evidence["words"] = [text[start:end] for start, end in evidence["words"]]
    return {"intended_use": intended_use(), **data}


def show(text: str, found: Extraction) -> None:
    """Print facts and suggestions for people."""
    from clinical.diagnosis import intended_use
    from dashboard.console import say, table

    table("what the note says", ("kind", "concept", "status", "because of", "details", "times"), _fact_rows(found))
    if not found.model:
        say("no conditions are ranked, since this workspace has no signed model yet: run 'confide train'")
        return
    say(f"what the note may support (model {found.model})")
    say(intended_use())
    if found.refusal or found.caution:
        say(f"no suggestion: {found.refusal}" if found.refusal else found.caution)
    for line in found.standing.in_words() if found.standing else ():
        say(line)
    for suggestion in found.suggestions:
        for line in _basis(text, suggestion):
            say(line)
    if not found.suggestions and not found.refusal:
        say("  none reaches the policy's smallest probability")


def _basis(text: str, suggestion: Suggestion) -> Iterator[str]:
    """A suggestion, and what speaks for it, what against, and what was not asked."""
    code = "" if suggestion.label == suggestion.title else f" ({suggestion.label})"
    mark = {None: "share", True: "in the set", False: ""}[suggestion.in_set]
    yield f"  {suggestion.probability:5.1%}  {suggestion.title}{code}{f', {mark}' if mark else ''}"
    for side, evidence in (("for", suggestion.evidence), ("against", suggestion.against)):
        for one in evidence:
            quotation = " ".join(text[one.start : one.end].split())
            denied = f" (the note: {one.because})" if one.because else ""
            yield f'         {side:9} {one.weight:+.2f}  "{quotation}"{denied}'
    for asked in suggestion.not_asked:
        would = "; if present, this would rank first" if asked.first else ""
        yield f"         not asked {asked.weight:+.2f}  {asked.concept}{would}"


def _fact_rows(found: Extraction) -> list[tuple[str, ...]]:
    """One row for what is said alike, by kind and in the order of the note; anatomy alone says nothing."""
    rows = Counter(
        (mention.kind, mention.concept, mention.assertion.status, mention.assertion.cue, _words(mention.attributes))
        for mention in found.facts.mentions
        if mention.kind in _KINDS
    )
    return [(*row, str(times)) for row, times in sorted(rows.items(), key=lambda item: _KINDS.index(item[0][0]))]


def _words(attributes: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{key} {value}" for key, value in attributes)
