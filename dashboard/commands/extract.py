"""confide extract: facts and ranked conditions of one note, with evidence."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_model, chosen_site
from policies.errors import InputError

if TYPE_CHECKING:
    from clinical.coding.library import Library
    from clinical.diagnosis import ConditionModel, Extraction
    from clinical.output import Source
    from policies.guard import Site
    from policies.workspace import Workspace


class Form(StrEnum):
    """What is printed or written."""

    TABLE = "table"
    JSON = "json"
    FHIR = "fhir"


def extract(
    note: Annotated[Path, typer.Argument(metavar="NOTE", help="Text file, FHIR DocumentReference (JSON), or - .")],
    model: Annotated[str | None, typer.Option(help="Name of a signed model. \\[default: the one in use]")] = None,
    form: Annotated[Form, typer.Option("--format", help="fhir is an R4 Bundle with Provenance.")] = Form.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write, for its owner alone. \\[default: print]")
    ] = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Read one note for its patient's care (purpose TREAT): entities, assertions, and conditions with their sentences.

    [dim]Example: confide extract note.txt --site north --format fhir -o facts.json[/]
    """
    from clinical.coding.library import Library
    from clinical.gateway import extract_for_care
    from policies.access import Action, Purpose
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    opened = chosen_site(place, site)
    opened.guard.permit(Action.EXTRACT, Purpose.TREATMENT)
    text, source = read_note_file(note, opened.guard.policy.deidentification.largest_note_bytes)
    found = extract_for_care(opened, text, ready_model(place, opened, model), {"source": "command line"})
    write(text, found, source, Form.JSON if as_json else form, out, Library(place.codes))


def read_note_file(path: Path, largest: int) -> tuple[str, Source]:
    """The text of a note, and what it is: a plain file, a DocumentReference, or standard input.

    Raises:
        InputError: no such file, too large, or not readable as text.
    """
    from clinical.attachments import document_text
    from clinical.output import Source

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
            document = json.loads(data)
            text = document_text(document, largest)
            named = f"DocumentReference/{document['id']}" if "id" in document else ""
            return text, Source(named, str((document.get("subject") or {}).get("reference", "")))
        except InputError as error:
            raise InputError(error.message, error.hint, file=path) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            hint = "Name one FHIR DocumentReference (of an NDJSON file one line), or the text itself."
            raise InputError("JSON, but no DocumentReference with content", hint, file=path) from None
    try:
        return data.decode("utf-8-sig"), Source()
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


def write(text: str, found: Extraction, source: Source, form: Form, out: Path | None, library: Library) -> None:
    """Print an extraction, or write it to a file for its owner alone: it holds the words of a note."""
    from clinical.output import as_bundle, as_data
    from dashboard.console import console, say
    from policies.files import OWNER_ONLY, write_whole

    if form is Form.TABLE:
        with console.capture() as captured:
            show(text, found)
        written = captured.get()
    else:
        data = as_data(text, found, library) if form is Form.JSON else as_bundle(text, found, source, library)
        written = json.dumps(data) + "\n"
    if out:
        write_whole(out, written.encode(), OWNER_ONLY)
        say(f"wrote {out}")
    else:
        sys.stdout.write(written)


def show(text: str, found: Extraction) -> None:
    """Print facts and suggestions for people."""
    from clinical.diagnosis import intended_use
    from clinical.output import basis_lines, fact_rows
    from dashboard.console import say, table

    if found.refusal and not found.model:
        say(found.refusal)
    rows = fact_rows(text, found.facts)
    for kind, lines in rows.items():
        told = ((f"{row.said}: {row.details}" if row.details else row.said, row.status, row.evidence) for row in lines)
        table(f"{kind}s", ("what", "status (because of)", "where in the note"), told)
    if not rows:
        say("the note names no problem, finding, medication, test, procedure or device that the rules know")
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
        for line in basis_lines(text, suggestion):
            say(line)
    if left_out := found.left_out():
        say(f"  {left_out}")
    elif not found.suggestions and not found.refusal:
        say("  none reaches the policy's smallest probability")
