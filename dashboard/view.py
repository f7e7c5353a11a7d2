"""What the pages show: every number and every sentence, as frozen data from the floors below; knows no Streamlit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clinical.review import Review, is_signed, reviews
from federated.plan import Plan
from policies.access import Action, Purpose
from policies.audit import read_entries
from policies.errors import ConfideError, IntegrityError, PolicyError
from policies.events import Entry, Event
from policies.exports.audit_event import to_ndjson
from policies.exports.csv import to_csv
from policies.files import canonical_json, sha256_hex
from policies.guard import Guard, Site, account_name, open_server
from policies.ledger import COHORT, Booking, State, by_plan
from policies.logview import read_checkpoint
from policies.models import SignedModel, list_models
from policies.policy import Role, load_policy
from policies.releases import Release, epsilon_text, from_details
from policies.retention import releases_of
from policies.workspace import SERVER, Workspace
from privacy.guards.certificate import Mark
from privacy.training import accounting
from privacy.training.budget import open_ledger

SIGN_IN = "Reachable from this computer only (127.0.0.1); sign-in comes with a later version."
MOST_ROWS = 1000  # of the audit table at once
_COLUMNS = ("number", "time", "event", "actor", "details")


@dataclass(frozen=True)
class Missing:
    """An empty state: what is not there yet, and the command that makes it."""

    sentence: str
    command: str


NO_SITE = Missing("There is no hospital in this workspace yet.", "confide demo")
NO_NOTE = Missing("This hospital has no de-identified records yet, so there is no note to choose.", "confide deid")
NO_MODEL = Missing("There is no signed model to use, so this page shows facts without suggestions.", "confide train")
NO_RUN = Missing("This hospital has taken part in no training yet.", "confide train")
NO_REVIEW = Missing("No review of de-identified notes is open here.", "confide certify draw")
NO_ENTRY = Missing("Nothing was done here yet, so the log is empty.", "confide deid")


# Who is here.


@dataclass(frozen=True)
class RoleView:
    """What a role is called, the purpose of use that goes with it, and its pages."""

    title: str
    purpose: Purpose
    pages: tuple[str, ...]


ROLES: Mapping[Role, RoleView] = {
    Role.CLINICIAN: RoleView("Clinician", Purpose.TREATMENT, ("note", "review")),
    Role.HOSPITAL_IT: RoleView("Hospital IT", Purpose.OPERATIONS, ("training",)),
    Role.COMPLIANCE_OFFICER: RoleView("Compliance officer", Purpose.OPERATIONS, ("audit", "review", "training")),
    Role.DATA_STEWARD: RoleView("Data steward", Purpose.OPERATIONS, ("training",)),
    Role.RESEARCHER: RoleView("Researcher", Purpose.RESEARCH, ("training",)),
}


@dataclass(frozen=True)
class Visitor:
    """An account of this computer with the roles that the policy gives it, and the hospitals that there are."""

    account: str
    roles: tuple[Role, ...]
    sites: tuple[str, ...]


def visitor(workspace: Workspace) -> Visitor:
    """Who sits before the screen.

    Raises:
        PolicyError: there is no policy that can be read, or it gives the account no role.
    """
    account, policy = account_name(), load_policy(workspace.policy)
    held = policy.people.get(account, frozenset())
    if not held:
        raise PolicyError(
            f"the policy file gives the account '{account}' no role, so there is no page to show",
            f"Ask {policy.contact.compliance_officer}; roles stand under [people] in the policy file.",
        )
    return Visitor(account, tuple(role for role in Role if role in held), tuple(s.name for s in workspace.sites()))


# A note.


def notes_by_patient(notes: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Pseudonyms of records by the pseudonym of their patient."""
    found: dict[str, list[str]] = {}
    for patient, record in notes:
        found.setdefault(patient, []).append(record)
    return found


# A review of what de-identification left.


def open_reviews(site: Site) -> dict[str, Review]:
    """Reviews that are not yet signed, by id, the oldest first."""
    return {review.id: review for review in reviews(site) if not is_signed(site, review)}


def mark_rows(text: str, marks: Sequence[Mark]) -> list[Mapping[str, Any]]:
    """What a reviewer has marked so far in a note."""
    return [{"Left": text[start:end], "As": category} for start, end, category in marks]


# Training.


@dataclass(frozen=True)
class Budget:
    """What counts in the ledger of a site; epsilon is computed by `epsilon_after`, which takes its time."""

    bookings: tuple[Booking, ...]
    cap: float
    delta: float

    @property
    def releases(self) -> tuple[tuple[str, Release], ...]:
        """Each with the plan that it belongs to."""
        return tuple((booking.plan, booking.release) for booking in self.bookings)

    def spent_text(self, epsilons: Sequence[float]) -> str:
        """The last of `epsilon_after`, and the cap."""
        return f"{epsilon_text(epsilons[-1] if epsilons else 0.0)} of {self.cap:g}"


@dataclass(frozen=True)
class TrainingView:
    """The newest run that a site took part in.

    Attributes:
        done: how many rounds of how many.
        size: of what each hospital sends in a round.
        seconds: of each finished round, `(round, seconds)`.
        losses: the site's own, `(round, loss)`; they stay there.
    """

    plan: Plan
    digest: str
    done: str
    size: str
    words: tuple[str, ...]
    seconds: tuple[tuple[int, float], ...]
    losses: tuple[tuple[int, float], ...]


def budget(site: Site) -> Budget:
    """The site's own budget under its own policy."""
    ledger = open_ledger(site)
    counting = tuple(booking for booking in ledger.bookings() if booking.counts)
    return Budget(counting, ledger.cap, ledger.delta)


def epsilon_after(releases: Sequence[tuple[str, Release]], delta: float) -> list[float]:
    """Epsilon of the first release, the first two, and so on; each comes with its plan."""
    return [accounting.epsilon(by_plan(releases[:count]), delta) for count in range(1, len(releases) + 1)]


def training(workspace: Workspace, site: Site, bookings: Sequence[Booking]) -> TrainingView | None:
    """The run of the newest booking, or None where no round was ever booked.

    Raises:
        IntegrityError: the plan that was kept is not the one that was booked, or a file of rounds cannot be read.
    """
    plans = [booking.plan for booking in bookings if booking.plan != COHORT]
    if not plans:
        return None
    digest = plans[-1]
    plan = _plan(site, digest)
    rounds = _rows(workspace.server.rounds(digest))
    return TrainingView(
        plan=plan,
        digest=digest,
        done=f"{len(rounds)} of {plan.rounds}",
        size=f"{max((row['bytes_per_site'] for row in rounds), default=0) / 1000:.0f} KB",
        words=tuple(plan.in_words(site.name).splitlines()),
        seconds=tuple((row["round"], float(row["seconds"])) for row in rounds),
        losses=tuple((row["round"], float(row["loss"])) for row in _rows(site.home.scores(digest))),
    )


def _plan(site: Site, digest: str) -> Plan:
    try:
        kept = json.loads(site.home.plan(digest).read_bytes())["plan"]
        plan = Plan.model_validate(kept)
    except (OSError, ValueError, KeyError, TypeError):
        raise IntegrityError(f"the plan {digest[:16]} that was booked here cannot be read") from None
    if sha256_hex(canonical_json(kept)) != digest:
        raise IntegrityError(f"the file of plan {digest[:16]} holds another plan")
    return plan


def _rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that may still be written; none where it does not exist yet."""
    try:
        return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        raise IntegrityError(f"{path}: the rounds cannot be read") from None


def model_of(workspace: Workspace, plan: str) -> SignedModel | None:
    """The model that a plan made, its signature verified now; None where there is none yet.

    Raises:
        IntegrityError: a model does not verify.
    """
    models = list_models(workspace.models, workspace.trusted)
    return next((model for model in models if model.card["plan_sha256"] == plan), None)


# The audit log.


@dataclass(frozen=True)
class LogState:
    """A log after its verification; no entry of one that does not verify is shown."""

    verified: bool
    sentence: str
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class EpsilonCheck:
    """Epsilon from the log alone beside the ledger's."""

    log: str
    ledger: str
    releases: int

    @property
    def equal(self) -> bool:
        return self.log == self.ledger

    @property
    def sentence(self) -> str:
        """What the comparison says."""
        verdict = "equal to" if self.equal else "NOT equal to"
        return f"Epsilon recomputed from the {self.releases} releases in the log is {verdict} the ledger's."


def logs_of(workspace: Workspace, site: Site) -> tuple[str, ...]:
    """The site's own log, and the server's where there is one."""
    return (site.name, SERVER) if workspace.server.audit.is_dir() else (site.name,)


def log_state(workspace: Workspace, site: Site, origin: str) -> LogState:
    """Read and verify a whole log, now."""
    opened = open_server(workspace) if origin == SERVER else site
    folder, key = opened.home.audit, opened.keys.public
    try:
        entries = read_entries(folder, key)
        signed = read_checkpoint(folder, key)
    except ConfideError as error:
        return LogState(False, f"Not verified: {error.message}. {error.hint}")
    root = f", tree root {signed.root.hex()[:16]}…" if signed else ""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return LogState(True, f"Verified at {now} UTC. Entries: {len(entries)}{root}", tuple(entries))


def chosen_entries(
    entries: Sequence[Entry], events: Sequence[str] = (), actors: Sequence[str] = (), text: str = ""
) -> tuple[Entry, ...]:
    """Entries of these events and actors (of all where none is named) whose details hold a text, in any case."""
    wanted = text.strip().casefold()
    return tuple(
        entry
        for entry in entries
        if (not events or entry.event in events)
        and (not actors or entry.actor in actors)
        and (not wanted or wanted in _text(entry.details).casefold())
    )


def audit_rows(entries: Sequence[Entry]) -> list[Mapping[str, Any]]:
    """Entries as rows, the newest first, and no more than `MOST_ROWS`."""
    newest = entries[: -MOST_ROWS - 1 : -1]
    shown = ((e.sequence, e.time[:19].replace("T", " "), str(e.event), e.actor, _text(e.details)) for e in newest)
    return [dict(zip(map(str.capitalize, _COLUMNS), row, strict=True)) for row in shown]


def epsilon_check(entries: Sequence[Entry], spent: Budget) -> EpsilonCheck:
    """Recompute epsilon from the log's releases, at the delta of the policy, and from the ledger's."""
    booked = [entry.details for entry in releases_of(entries) if entry.event is Event.BUDGET_SPENT]
    logged = [(details["plan"], from_details(details["release"])) for details in booked]
    held = [(booking.plan, booking.release) for booking in spent.bookings if booking.state is State.SPENT]
    log, ledger = (epsilon_text(accounting.epsilon(by_plan(made), spent.delta)) for made in (logged, held))
    return EpsilonCheck(log, ledger, len(logged))


def export_audited(guard: Guard, origin: str, entries: Sequence[Entry], form: str) -> bytes:
    """Entries as 'csv' or 'ndjson' (FHIR AuditEvent); the export itself is logged before it is handed out.

    Raises:
        AccessDenied: whoever asks may not export.
    """
    guard.permit(Action.EXPORT_AUDIT, Purpose.OPERATIONS)
    named = [(origin, entry) for entry in entries]
    data = to_csv(named) if form == "csv" else to_ndjson(named)
    guard.record(Event.AUDIT_EXPORTED, log=origin, form=form, entries=len(entries), sha256=sha256_hex(data))
    return data


def _text(details: Mapping[str, Any]) -> str:
    return canonical_json(details).decode()
