"""A study between machines, from the server's side: a plan that every site counted for and approved, then its rounds.

The same command again goes on where the last one stopped: sites tell the same counts, so the plan is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from flwr.serverapp import Grid
from safetensors.numpy import save

from clinical.classifier import model_weights, trained_weights
from clinical.labels import LabelRule
from federated.agreement import Agreement
from federated.count import FEWEST
from federated.exchange import Exchange
from federated.machines import by_keys, in_runs, run_rounds
from federated.plan import Plan
from federated.progress import RoundDone
from federated.provision.roster import Roster
from federated.settings import StudySettings
from federated.site_round import plan_classifier
from federated.study import plan_with, register, shares
from federated.validation import score_for
from policies.access import Action, Purpose
from policies.files import sha256_hex
from policies.guard import Server
from policies.models import SignedModel, list_models
from policies.workspace import Workspace


@dataclass(frozen=True)
class RemoteWatch:
    """Who is told how far a study is: sites that are waited for and for what, and rounds done."""

    waiting: Callable[[str, tuple[str, ...]], None] = lambda what, sites: None
    agreed: Callable[[Plan], None] = lambda plan: None
    round_done: Callable[[RoundDone], None] = lambda done: None


@dataclass(frozen=True)
class Together:
    """The server of a federation at its machines.

    Attributes:
        patience_s: how long counts and approvals, and a SuperLink that is away, are waited for.
    """

    workspace: Workspace
    server: Server
    roster: Roster
    watch: RemoteWatch
    patience_s: float

    def train(self, rule: LabelRule, settings: StudySettings) -> SignedModel:
        """Draft, count, propose, wait for the approvals, train, and sign the model.

        Raises:
            TrainingError: sites did not count or approve in time, refused, or too few took part in a round.
        """
        self.server.guard.permit(Action.TRAIN, Purpose.RESEARCH)
        plan = in_runs(self.server, self.patience_s, lambda grid: self._agree(grid, rule, settings))
        self.watch.agreed(plan)
        classifier, began = plan_classifier(plan), time.monotonic()
        start, score = trained_weights(classifier), score_for(plan, classifier, settings.validation)
        weights = run_rounds(
            self.server,
            self.roster,
            plan,
            start,
            watch=self.watch.round_done,
            patience_s=self.patience_s,
            score=score,
        )
        model = save(model_weights(classifier, weights))
        return self._signed(plan, model) or register(self.workspace, self.server, plan, model, time.monotonic() - began)

    def _signed(self, plan: Plan, model: bytes) -> SignedModel | None:
        """The model of this plan, where an earlier command signed the same weights."""
        said = {"plan_sha256": plan.digest, "weights_sha256": sha256_hex(model)}
        found = list_models(self.workspace.models, self.workspace.trusted)
        return next((own for own in found if said.items() <= own.card.items()), None)

    def _agree(self, grid: Grid, rule: LabelRule, settings: StudySettings) -> Plan:
        """The plan with every site's count, once all have approved it."""
        exchange = Exchange(grid, by_keys(self.roster))
        agreement = Agreement(self.server, exchange, self.patience_s, self.watch.waiting)
        names = sorted(member.name for member in self.roster.members)
        delta = self.server.guard.policy.training.delta
        draft = plan_with(settings, rule, delta, shares(dict.fromkeys(names, FEWEST)))
        draft.rule.check(draft.needed)  # before any site is asked for a count, which costs it
        plan = draft.model_copy(update={"sites": shares(agreement.counts(draft))})
        agreement.approvals(plan)
        return plan
