"""The newest training at a hospital, its model, and what it took of the privacy budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from dashboard.view.logged import logged, when
from federated.plan import Plan
from federated.refusing import REFUSALS
from policies.errors import IntegrityError
from policies.events import Entry, Event
from policies.files import canonical_json, sha256_hex
from policies.guard import Site
from policies.ledger import COHORT, Booking
from policies.models import SignedModel, list_models
from policies.releases import epsilon_text
from policies.retention import releases_of
from policies.workspace import Workspace
from privacy.training.budget import open_ledger


@dataclass(frozen=True)
class Spending:
    """What was spent of a site's budget, as its log says it.

    Attributes:
        cap: of the policy.
        logged: epsilon after each release, as it was computed when the release was booked.
        plan: digest of the newest one, or nothing.
    """

    cap: float
    logged: tuple[str, ...]
    plan: str

    @property
    def spent(self) -> str:
        """Epsilon of all releases, and the cap."""
        return f"{self._last} of {self.cap:g}"

    @property
    def left(self) -> str:
        """What may still be spent."""
        return str(max(Decimal(repr(self.cap)) - Decimal(self._last), Decimal("0.000")))

    @property
    def _last(self) -> str:
        return self.logged[-1] if self.logged else epsilon_text(0.0)


@dataclass(frozen=True)
class Budget(Spending):
    """The same, with what counts in the site's ledger, which was checked against its log."""

    bookings: tuple[Booking, ...]
    delta: float


@dataclass(frozen=True)
class RoundView:
    """One finished round.

    Attributes:
        size: bytes of this hospital's update.
        sites: whose updates were counted.
    """

    number: int
    seconds: float
    size: int
    sites: tuple[str, ...]


@dataclass(frozen=True)
class TrainingView:
    """The newest run that a site took part in.

    Attributes:
        losses: the site's own, `(round, loss)`; they stay there.
        news: when the log last heard of it.
        refusal: why the site refused or failed last, if that is the newest that the log says of it.
    """

    plan: Plan
    digest: str
    words: tuple[str, ...]
    rounds: tuple[RoundView, ...]
    losses: tuple[tuple[int, float], ...]
    news: datetime
    refusal: str

    @property
    def done(self) -> str:
        """How many rounds of how many."""
        return f"{len(self.rounds)} of {self.plan.rounds}"

    @property
    def size(self) -> str:
        """Of what this hospital sends in a round."""
        return f"{max((one.size for one in self.rounds), default=0) / 1000:.0f} KB"

    def goes_on(self, now: datetime) -> bool:
        """Whether rounds are left, and news came within the time that the server waits for a site."""
        return len(self.rounds) < self.plan.rounds and (now - self.news).total_seconds() < self.plan.round_seconds

    def standing(self, now: datetime) -> str:
        """Where the run stands, in a sentence."""
        if len(self.rounds) == self.plan.rounds:
            return f"All {self.plan.rounds} rounds are done."
        if not self.goes_on(now):
            return (
                f"{self.done} rounds are done, and nothing was heard since {self.news:%Y-%m-%d %H:%M} UTC: the server "
                "ended it early, or waits for a site. 'confide site status' says whether this hospital's node is well."
            )
        if not self.rounds:
            return f"The first of {self.plan.rounds} rounds goes on."
        last = self.rounds[-1]
        return f"It goes on: {round_line(last.number, self.plan.rounds, last.sites, last.seconds)}."


def round_line(number: int, rounds: int, sites: Sequence[str], seconds: float) -> str:
    """A finished round and what is left, for whoever watches a training."""
    left = seconds * (rounds - number)
    return f"round {number}/{rounds}: {', '.join(sites)}; {seconds:.1f} s, about {left:.0f} s left"


def spending(site: Site) -> Spending:
    """What the log says, found by its index: quick, whatever the length of the log."""
    found = releases_of(logged(site, Event.BUDGET_SPENT, Event.RELEASE_CARRIED))
    spent = [entry.details for entry in found if entry.event is Event.BUDGET_SPENT]
    plan = next((details["plan"] for details in reversed(spent) if details["plan"] != COHORT), "")
    return Spending(site.guard.policy.training.epsilon, tuple(details["epsilon"] for details in spent), plan)


def budget(site: Site) -> Budget:
    """The site's own budget under its own policy; the first look of a process reads the whole log.

    Raises:
        IntegrityError: ledger and log do not hold the same bookings.
    """
    ledger = open_ledger(site)
    counting = tuple(booking for booking in ledger.bookings() if booking.counts)
    said = spending(site)
    return Budget(ledger.cap, said.logged, said.plan, counting, ledger.delta)


def training(workspace: Workspace, site: Site, digest: str) -> TrainingView | None:
    """The run of a plan, such as the newest; None where there is none.

    Rounds are those that the server keeps, where it is in this workspace; else those whose receipts this site checked.

    Raises:
        IntegrityError: the plan that was kept is not the one that was booked, or a file of rounds cannot be read.
    """
    said = (Event.BUDGET_SPENT, Event.RECEIPT_CHECKED, *REFUSALS)
    entries = [entry for entry in logged(site, *said) if entry.details.get("plan") == digest]
    if not entries:
        return None
    plan, newest = _plan(site, digest), entries[-1]
    reason = newest.details.get("reason", "a fault, see the node's log") if newest.event in REFUSALS else ""
    return TrainingView(
        plan=plan,
        digest=digest,
        words=tuple(plan.in_words(site.name).splitlines()),
        rounds=_kept_rounds(workspace, site, digest) or _own_rounds(site, digest, entries),
        losses=tuple((row["round"], float(row["loss"])) for row in _rows(site.home.scores(digest))),
        news=datetime.fromisoformat(newest.time).astimezone(UTC),
        refusal=f"{when(newest)}: {reason}" if reason else "",
    )


def _kept_rounds(workspace: Workspace, site: Site, digest: str) -> tuple[RoundView, ...]:
    """What the server wrote of each round, in a workspace that has it."""
    return tuple(
        RoundView(row["round"], float(row["seconds"]), row["received"].get(site.name, 0), tuple(row["sites"]))
        for row in _rows(workspace.server.rounds(digest))
    )


def _own_rounds(site: Site, digest: str, entries: Sequence[Entry]) -> tuple[RoundView, ...]:
    """What this site's log says of each round: its receipt, and how long it came after the one before."""
    rounds, before = list[RoundView](), next((entry for entry in entries if entry.event is Event.BUDGET_SPENT), None)
    for entry in entries:
        if entry.event is Event.RECEIPT_CHECKED and before:
            seconds = datetime.fromisoformat(entry.time) - datetime.fromisoformat(before.time)
            number, update = entry.details["round"], site.home.update(digest, entry.details["round"])
            size = update.stat().st_size if update.exists() else 0
            rounds.append(RoundView(number, seconds.total_seconds(), size, tuple(sorted(entry.details["inputs"]))))
            before = entry
    return tuple(rounds)


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


def score_rows(model: SignedModel) -> list[dict[str, str]]:
    """The scores in a model's card, one row for each way to train; they are of made-up or public notes."""
    named = {name: values for name, values in model.card.get("scores", {}).items() if isinstance(values, dict)}
    return [{"Trained": way, **{score_title(name): value for name, value in of.items()}} for way, of in named.items()]


def score_title(name: str) -> str:
    """The name of a score as people write it."""
    return name.replace("_", " ").capitalize().replace("f1", "F1")


def model_of(workspace: Workspace, plan: str) -> SignedModel | None:
    """The model that a plan made, its signature verified now; None where there is none yet.

    Raises:
        IntegrityError: a model does not verify.
    """
    models = list_models(workspace.models, workspace.trusted)
    return next((model for model in models if model.card["plan_sha256"] == plan), None)
