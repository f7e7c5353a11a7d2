"""confide evaluate assertions, relations, codes and sections: the rules of extraction against what people marked."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption

if TYPE_CHECKING:
    from clinical.evaluation.counts import Score


class Half(StrEnum):
    """Which documents of a corpus are scored."""

    both = "both"
    tuned = "tuned"
    held_out = "held-out"


def assertions(
    corpus: Annotated[Path, typer.Option(help="The NegEx kit's seven columns, or a folder in brat's format.")],
    half: Annotated[Half, typer.Option(help="The half that the rules were tuned on, or the other.")] = Half.both,
    as_json: JsonOption = False,
) -> None:
    """Precision, recall and F1 of assertions on given phrases.

    [dim]Example: confide evaluate assertions --corpus negex_kit/sample.txt --half held-out --json[/]
    """
    from clinical.evaluation.assertions import evaluate_assertions
    from dashboard.console import say

    scores = evaluate_assertions(corpus, half.value)
    if as_json:
        typer.echo(scores.to_json())
        return
    title = f"assertions of {scores.phrases} phrases in {scores.documents} documents ({scores.half})"
    show_scores(title, "status", scores.statuses.items())
    say(f"{scores.skipped} phrases not in their sentence, {scores.documents_per_second:.0f} documents/s")


def relations(
    corpus: Annotated[Path, typer.Option(help="A folder in brat's format with relations MODIFY.")],
    half: Annotated[Half, typer.Option(help="The half that the costs were tuned on, or the other.")] = Half.both,
    as_json: JsonOption = False,
) -> None:
    """Precision, recall and F1 of relations between given entities: doses, values, body sites.

    [dim]Example: confide evaluate relations --corpus maccrobat2020 --half held-out --json[/]
    """
    from clinical.evaluation.relations import evaluate_relations
    from dashboard.console import say

    scores = evaluate_relations(corpus, half.value)
    if as_json:
        typer.echo(scores.to_json())
        return
    rows = [("all", scores.overall), *scores.kinds.items()]
    show_scores(f"relations in {scores.documents} reports ({scores.half})", "kind", rows)
    say(f"{scores.documents_per_second:.0f} reports/s")


def codes(
    corpus: Annotated[Path, typer.Option(help="An OBO file whose diseases refer to ICD-10-CM.")],
    half: Annotated[Half, typer.Option(help="The half that words were tuned on, or the other.")] = Half.both,
    as_json: JsonOption = False,
) -> None:
    """How often the right code of ICD-10-CM stands first, or among five, for names of the Disease Ontology.

    [dim]Example: confide evaluate codes --corpus doid.obo --half held-out --json[/]
    """
    from clinical.evaluation.codes import evaluate_codes
    from dashboard.console import say, table

    scores = evaluate_codes(corpus, half.value)
    if as_json:
        typer.echo(scores.to_json())
        return
    shares = {
        "the code, first": scores.first,
        "the code, among five": scores.among_five,
        "its category, first": scores.category_first,
        "its category, among five": scores.category_among_five,
    }
    rows = [(name, f"{own.share:.3f}", f"{own.interval[0]:.3f}-{own.interval[1]:.3f}") for name, own in shares.items()]
    table(f"{scores.names} names of {scores.diseases} diseases ({scores.half})", ("right is", "share", "95 %"), rows)
    say(f"{scores.unknown} diseases without a code of this edition, {scores.milliseconds:.1f} ms a name")


def sections(
    corpus: Annotated[Path, typer.Option(help="CSV with a column note, or section_header and section_text.")],
    as_json: JsonOption = False,
) -> None:
    """Headings found in notes typed in six layouts, or labels of sections from their text alone.

    [dim]Example: confide evaluate sections --corpus MTS-Dialog-ValidationSet.csv --json[/]
    """
    from clinical.evaluation.sections import HeadingScores, evaluate_sections
    from dashboard.console import say

    scores = evaluate_sections(corpus)
    if as_json:
        typer.echo(scores.to_json())
    elif isinstance(scores, HeadingScores):
        rows = [("all", scores.overall), *scores.layouts.items()]
        show_scores(f"headings of {scores.documents} notes", "layout", rows)
        say(f"{scores.documents_per_second:.0f} notes/s")
    else:
        show_scores(f"labels of {scores.sections} sections", "label", scores.labels.items())
        say(
            f"accuracy {scores.accuracy:.3f} ({scores.interval[0]:.3f}-{scores.interval[1]:.3f}), the commonest label "
            f"alone {scores.commonest:.3f}, {scores.documents_per_second:.1f} sections/s"
        )


def show_scores(title: str, what: str, rows: Iterable[tuple[str, Score]]) -> None:
    """One line for each row, with its counts and the interval of F1."""
    from dashboard.console import table

    table(
        title,
        (what, "marked", "found", "precision", "recall", "F1", "95 %"),
        [
            (
                name,
                own.marked,
                own.found,
                f"{own.precision:.3f}",
                f"{own.recall:.3f}",
                f"{own.f1:.3f}",
                f"{own.interval[0]:.3f}-{own.interval[1]:.3f}",
            )
            for name, own in rows
        ],
    )
