"""confide certify: two people look for what is left in an output, and the site signs what they found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dashboard.options import JsonOption, KeyOption, SiteOption, WorkspaceOption, chosen_key, chosen_site, site_with
from policies.errors import InputError
from policies.workspace import Workspace

if TYPE_CHECKING:
    from clinical.review import Review, ReviewNote
    from policies.guard import Site
    from privacy.guards.certificate import Mark

app = typer.Typer(
    no_args_is_help=True,
    help="Measure what de-identification left: a sample, two blind reviewers, and a signed statement.",
)
ReviewArgument = Annotated[str, typer.Argument(metavar="ID", help="The review, as 'confide certify draw' names it.")]


@app.command()
def draw(
    folder: Annotated[Path, typer.Argument(metavar="DEID", help="A folder that 'confide deid' wrote.")],
    notes: Annotated[int, typer.Option(min=1, help="At most so many; each is read by two people.")] = 100,
    seed: Annotated[str | None, typer.Option(help="To draw the same sample again.", show_default=False)] = None,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Draw a sample of an output, stratified by kind of note, length and how much was replaced.

    [dim]Example: confide certify draw deid/north --notes 100[/]
    """
    from clinical import review as reviewing
    from clinical.manifest import signed_site
    from dashboard.console import say, table

    opened = chosen_site(Workspace.existing(workspace), site or signed_site(folder))
    drawn = reviewing.draw(opened, folder, notes, seed)
    rows = [(stratum.name, stratum.notes, stratum.drawn) for stratum in drawn.sample.strata]
    table(f"review {drawn.id}", ("stratum", "notes", "drawn"), rows)
    say(f"drew {drawn.sample.drawn} of {drawn.sample.notes} notes with seed {drawn.seed}")
    say(f"now two people run 'confide certify review {drawn.id}', or open the page Review, each with an own account")


@app.command()
def review(review_id: ReviewArgument, site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """Read the notes that are left for this account, and say what each still tells of somebody.

    Paste the words that are left, one finding at a time; an empty line ends a note. Stop with Ctrl-C and go on later:
    a note that was ended is kept and cannot be changed.

    [dim]Example: confide certify review 5f0c2a9be417[/]
    """
    from clinical import review as reviewing
    from dashboard.console import say

    opened = _site(review_id, site, workspace)
    chosen = reviewing.open_review(opened, review_id)
    while note := reviewing.next_note(opened, chosen):
        reviewing.submit(opened, chosen, note.record, _asked(chosen, note))
    say(f"{opened.guard.actor} has judged all {len(chosen.drawn)} notes of review {chosen.id}")


@app.command()
def status(review_id: ReviewArgument, site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """How far each account is; what it found is not told before the statement.

    [dim]Example: confide certify status 5f0c2a9be417[/]
    """
    from clinical import review as reviewing
    from dashboard.console import say, table

    opened = _site(review_id, site, workspace)
    chosen = reviewing.open_review(opened, review_id)
    rows = [(p.reviewer, p.done, p.of) for p in reviewing.progress(opened, chosen)]
    table(f"review {chosen.id}, drawn {chosen.drawn_on}", ("account", "judged", "of"), rows)
    if reviewing.is_signed(opened, chosen):
        say(f"signed: {opened.home.certificate(chosen.id)}")


@app.command()
def sign(
    review_id: ReviewArgument,
    out: Annotated[Path | None, typer.Option(help="Also write the statement here.", show_default=False)] = None,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Sign what two accounts found, with 95 % upper bounds for every category of identifier.

    [dim]Example: confide certify sign 5f0c2a9be417 --out certificate.json[/]
    """
    from clinical import review as reviewing
    from dashboard.console import say
    from policies.files import write_whole

    opened = _site(review_id, site, workspace)
    path = reviewing.sign(opened, reviewing.open_review(opened, review_id))
    _show(reviewing.read_certificate(path, opened.keys.public))
    if out:
        write_whole(out, path.read_bytes())
    say(f"signed: {out or path}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A statement that 'confide certify sign' wrote.")],
    key: KeyOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Check the signature of a statement and show it; exits with 7 where it was edited.

    [dim]Example: confide certify verify certificate.json --key north.pem[/]
    """
    import json

    from clinical import review as reviewing
    from dashboard.console import say

    name = reviewing.certified_site(file)
    told = reviewing.read_certificate(file, chosen_key(name, key, workspace))
    if as_json:
        typer.echo(json.dumps(told))
        return
    _show(told)
    say(f"verified: signed by the key of '{name}'")


def _site(review_id: str, site: str | None, workspace: Path | None) -> Site:
    place = Workspace.existing(workspace)
    return site_with(place, site, f"a review '{review_id}'", lambda home: home.review(review_id).exists())


def _asked(review: Review, note: ReviewNote) -> list[Mark]:
    """What somebody at the terminal says is left in a note."""
    from clinical.review import marks_of
    from dashboard.console import say

    say(f"\n--- note {note.number} of {note.of} ---\n")
    # A note is other people's text: nothing in it may steer the terminal.
    say("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in note.text))
    found: list[Mark] = []
    while words := typer.prompt("\nwords that are left (none: just Enter)", default="", show_default=False):
        category = typer.prompt(f"what are they ({', '.join(review.categories)})").strip().upper()
        try:
            if category not in review.categories:
                raise InputError(f"'{category}' is no category", f"Use one of: {', '.join(review.categories)}.")
            marks = marks_of(note.text, words, category)
        except InputError as error:
            say(f"{error.message}. {error.hint}")
        else:
            found += marks
            say(f"marked {len(marks)} times")
    return found


def _show(told: dict[str, Any]) -> None:
    """A statement as a table and three sentences."""
    from dashboard.console import say, table

    columns = ("identifier", "left", "in notes", "notes per 1,000 at most", "identifiers per 1,000 at most")
    lines = {"all": told["all_categories"], **told["categories"]}
    table(
        f"review {told['review']} of {told['date']}", columns, [(name, *line.values()) for name, line in lines.items()]
    )
    every = told["all_categories"]
    say(
        f"{told['sample']} of {told['population']} notes, read by {' and '.join(told['reviewers'])}: with "
        f"{float(told['confidence']):.0%} confidence at most {every['notes_per_1000']} of 1,000 notes still hold an "
        f"identifier, and at most {every['leaks_per_1000']} identifiers are left in them if leaks are independent"
    )
    if told["zero_support"]:
        where = told["support_from"].split()[-1]
        say(f"says nothing of {', '.join(told['zero_support'])}: none occurred in the {where}")
    say(f"output {told['manifest'][:16]}, policy {told['policy'][:16]}, legal basis {told['legal_basis']}")
