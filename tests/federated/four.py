"""Four hospitals of one workspace and the rounds of a plan of theirs, in this process: one of them may drop out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinical.classifier import trained_weights
from federated.approval import approve
from federated.exchange import Federation
from federated.parties import simulated_parties
from federated.plan import Plan, SiteShare
from federated.receipt import Receipt, read_receipt
from federated.server_app import Rounds
from federated.site_round import plan_classifier, prepare
from policies.audit import read_entries
from policies.events import Event
from policies.guard import open_server
from policies.policy import Aggregation
from policies.workspace import Workspace
from tests.clinical.notes import cohort
from tests.federated.hospitals import PATIENTS, hospital, plan_for, release
from tests.federated.same_process import Alter, SameProcess, nodes_of

FOUR = {"alder": "0.25", "north": "0.25", "river": "0.25", "summit": "0.25"}


def secure_plan(workspace: Workspace, encoder: Path, weights: dict[str, str] = FOUR, **changes: Any) -> Plan:
    """A plan of one round that all four approved."""
    if not workspace.deidentified("alder").exists():
        release(workspace, "alder", cohort(PATIENTS, "a"))
    sites = tuple(SiteShare(name=name, patients=10, weight=weight) for name, weight in weights.items())
    values = {"aggregation": Aggregation.SECURE, "rounds": 1, "round_seconds": 1, "sites": sites} | changes
    plan = plan_for(encoder, **values)
    for name in FOUR:
        approve(hospital(workspace, name), plan, workspace.deidentified(name))
        prepare(hospital(workspace, name), plan, plan_classifier(plan))
    return plan


def train(workspace: Workspace, plan: Plan, alter: Alter, *, tries: int = 1, absent: tuple[str, ...] = ()) -> None:
    parties = simulated_parties(workspace, list(FOUR))
    nodes = {name: node for name, node in nodes_of(FOUR).items() if name not in absent}
    federation = Federation(parties.federation, parties.sites, lambda grid: nodes)
    start = trained_weights(plan_classifier(plan))
    Rounds(open_server(workspace), plan, start, federation, tries=tries).run(SameProcess(alter))  # type: ignore[arg-type]


def receipt_of(workspace: Workspace, plan: Plan, number: int = 1) -> Receipt:
    server = open_server(workspace)
    return read_receipt(server.keys.public, server.home.receipt(plan.digest, number).read_bytes())


def reasons(workspace: Workspace, name: str, event: Event = Event.ROUND_FAILED) -> list[str]:
    site = hospital(workspace, name)
    entries = read_entries(site.home.audit, site.keys.public)
    return [entry.details["reason"] for entry in entries if entry.event is event]
