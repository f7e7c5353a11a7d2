"""confide audit verify: every log of a workspace checked, and said in one line each."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.logs import LogOption, key_of
from dashboard.options import WorkspaceOption, chosen_homes
from policies.errors import ConfideError, InputError, IntegrityError, StorageError
from policies.events import Event
from policies.wording import counted
from policies.workspace import Home, ServerHome, SiteHome, Workspace

if TYPE_CHECKING:
    from policies.findings import Findings
    from policies.keys import PublicKey
    from policies.policy import Witnesses


def verify(
    witnesses: Annotated[
        bool, typer.Option("--witnesses", help="Also check that as many other hospitals signed as the policy wants.")
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(help="The log's key, got by another way, for one --site. \\[default: the one beside it]"),
    ] = None,
    site: LogOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Check every entry and the signed tree head of one log, or of all logs; exits with 7 where one fails.

    What verifies and yet wants a look (a gap, silence, a refusal of a witness, data without a log) is a warning.

    [dim]Example: confide audit verify[/]
    """
    from dashboard.console import say
    from policies.notes import read_key
    from policies.policy import load_policy

    if key and not site:
        raise InputError("a key is that of one log", "Name it with --site.")
    place = Workspace.existing(workspace)
    homes, failed = chosen_homes(place, site), dict[str, ConfideError]()
    given = read_key(key, homes[0].name) if key else None
    rule = load_policy(place.policy).witnesses if witnesses else None
    for lost in (home.name for home in place.sites() if not site and not home.keys.is_dir()):
        say(f"warning: {lost}: its folder holds no keys, so nothing of it can be verified")
    for home in homes:
        try:
            _verify(home, given or key_of(home), rule)
        except (IntegrityError, StorageError) as error:
            say(f"{home.name}: FAILED: {error.message}")
            failed[home.name] = error
    if failed:
        which = f"{len(failed)} of {counted(len(homes), 'log')} failed: {', '.join(failed)}"
        raise IntegrityError(which, " ".join(dict.fromkeys(error.hint for error in failed.values())))


def _verify(home: Home, key: PublicKey, rule: Witnesses | None) -> None:
    """Say what one log is found to be; raises IntegrityError or StorageError where it is not what it should be."""
    from dashboard.console import say
    from policies.audit import verify as check
    from policies.notes import Verifier
    from privacy.training.budget import check_bookings

    findings = check(home.audit, key)
    if isinstance(home, SiteHome):
        check_bookings(home, key)
    for warning in (*findings.warnings, *_lost(home, findings)):
        say(f"warning: {home.name}: {warning}")
    size, head = findings.signed.size, findings.signed.root.hex()[:16] if findings.signed.size else "none"
    pruned = f" (those before {findings.first} were pruned)" if findings.first else ""
    say(f"{home.name}: {counted(size, 'entry')} verified{pruned}, tree head {head}, key {Verifier(key).id.hex()}")
    if rule and isinstance(home, SiteHome):
        say(f"{home.name}: {_vouched(home, key, rule)}")
    if isinstance(home, ServerHome):
        from federated.recompute import recomputed

        for said in recomputed(home, key):
            say(f"{home.name}: {said}")


def _vouched(home: SiteHome, key: PublicKey, rule: Witnesses) -> str:
    from policies.logview import look
    from policies.witness import vouched

    return vouched(look(home.audit, key), home.cosigned, key, rule)


def _lost(home: Home, findings: Findings) -> Iterator[str]:
    """Log and ledger that were removed together begin anew like those of a new site; what else lies there does not."""
    if findings.first:  # how it came about may have been pruned
        return
    left = [what for what, events in _traces(home) if findings.events.isdisjoint(events)]
    if left:
        yield (
            f"there are {' and '.join(left)}, and the log says nothing of how they came about: log and ledger were "
            "removed or replaced; restore both from one backup"
        )


def _traces(home: Home) -> Iterator[tuple[str, Collection[Event]]]:
    """What lies in a folder beside its log, and the events that come before it, any of which explains it."""
    from privacy.vault.originals import Vault

    if isinstance(home, ServerHome) and home.runs.is_dir() and any(home.runs.iterdir()):
        yield "runs of trainings", (Event.PROCESS_STARTED, Event.ROUND_AGGREGATED, Event.ROUND_FAILED)
    if not isinstance(home, SiteHome):
        return
    if home.vault.is_dir() and any(Vault(home.vault, b"").kept()):  # its list needs no key
        yield "records of patients", (Event.EXPORT_READ,)
    if len(home.vaults) > 1:
        yield "hidden states of a training", (Event.PLAN_APPROVED,)
    if home.requests.is_dir():
        yield "requests for names", (Event.REIDENTIFICATION_REQUESTED,)
    if home.reviews.is_dir():
        yield "reviews of notes", (Event.REVIEW_DRAWN,)
    if home.erasures():
        yield "proofs of erasure", (Event.PATIENT_ERASED,)
    if home.all_grants.is_dir():
        yield "break-glass grants", (Event.BREAK_GLASS_STARTED,)
