"""confide audit: entries for others, as files and as messages to a collector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dashboard.logs import (
    ActorOption,
    EventOption,
    LogOption,
    OutcomeOption,
    PatientOption,
    PurposeOption,
    SinceOption,
    UntilOption,
    one_permitted,
    permitted,
)
from dashboard.options import WorkspaceOption
from policies.errors import InputError
from policies.wording import counted
from policies.workspace import Workspace

ExportedLogOption = Annotated[
    str | None,
    typer.Option(
        "--site",
        help="The log of this hospital, or of 'server'. \\[default: all of them; with --evidence the only one]",
    ),
]


def export(
    out: Annotated[
        Path, typer.Argument(help="File to write: .ndjson (FHIR AuditEvent), .csv or .pdf; a folder with --evidence.")
    ],
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Write a folder that a stranger can check without Confide.")
    ] = False,
    since: SinceOption = "",
    until: UntilOption = "",
    event: EventOption = "",
    actor: ActorOption = "",
    patient: PatientOption = "",
    purpose: PurposeOption = "",
    outcome: OutcomeOption = "",
    site: ExportedLogOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write verified entries to a file, for its owner's eyes only; the export is itself logged.

    An evidence folder holds the entries of one log with proofs, the signed tree head, keys, and how to check them.

    [dim]Example: confide audit export proof --evidence --site north --event budget.spent[/]
    """
    from dashboard.console import say
    from policies.access import Action
    from policies.exports.handing_out import export as make
    from policies.exports.handing_out import export_evidence
    from policies.exports.query import Filter
    from policies.files import OWNER_ONLY, write_whole

    if not evidence and out.suffix not in (".ndjson", ".csv", ".pdf"):
        raise InputError(f"no export to '{out.suffix}'", "Name a file that ends in .ndjson, .csv or .pdf.")
    asked = Filter(since, until, event, actor, patient, purpose, outcome)
    if evidence:
        holder = one_permitted(Workspace.existing(workspace), site, Action.EXPORT_AUDIT)
        written = counted(export_evidence(holder, asked, out), "entry with its proof", "entries with their proofs")
        say(f"wrote {written} to {out}; start with its README.md")
        return
    holders = permitted(Workspace.existing(workspace), site, Action.EXPORT_AUDIT)
    data, entries = make(holders, asked, out.suffix)
    write_whole(out, data, OWNER_ONLY)
    say(f"wrote {counted(entries, 'entry')} to {out}")


def check(
    folder: Annotated[Path, typer.Argument(help="What 'confide audit export --evidence' wrote.")],
    key: Annotated[Path, typer.Option(help="The log's key, got by another way: what 'keys export-public' wrote.")],
    witness: Annotated[
        list[Path] | None, typer.Option(help="A witness's verifier key (.vkey), got by another way; may be repeated.")
    ] = None,
) -> None:
    """Check an evidence folder of another hospital; its README says how to do it without Confide.

    Only the keys that you name count, none of those in the folder.

    [dim]Example: confide audit check proof --key north.pem[/]
    """
    from dashboard.console import say
    from policies.evidence import origin_of, verify_evidence
    from policies.notes import read_key

    witnesses = [read_key(file, file.stem) for file in witness or ()]
    found = verify_evidence(folder, read_key(key, origin_of(folder)), witnesses)
    stand = counted(found.entries, "entry stands", "entries stand")
    say(f"{stand} in the log of {found.origin}; signed by {', '.join(found.signers)}")


def send(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="The collector; without a port it is 6514.")],
    ca: Annotated[Path, typer.Option(help="Certificates (PEM) of who may have signed the collector's.")],
    certificate: Annotated[
        Path | None, typer.Option(help="Our certificate and its key (PEM), where the collector asks for one.")
    ] = None,
    since: SinceOption = "",
    until: UntilOption = "",
    event: EventOption = "",
    actor: ActorOption = "",
    patient: PatientOption = "",
    purpose: PurposeOption = "",
    outcome: OutcomeOption = "",
    site: LogOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Send verified entries to the hospital's log collector: syslog (RFC 5424) over TLS; that they were is logged.

    [dim]Example: confide audit send logs.hospital.example --ca hospital.pem --since 2026-01-01[/]
    """
    from dashboard.console import say
    from policies.access import Action
    from policies.exports.handing_out import found, log_export
    from policies.exports.query import Filter
    from policies.exports.syslog import Collector

    collector = Collector.at(address, ca, certificate)
    asked = Filter(since, until, event, actor, patient, purpose, outcome)
    holders = permitted(Workspace.existing(workspace), site, Action.EXPORT_AUDIT)
    entries = found(holders, asked)
    log_export(holders, asked, form="syslog", entries=len(entries), recipient=f"{collector.host}:{collector.port}")
    say(f"sent {counted(collector.send(entries), 'entry')} to {collector.host}")
