"""What a study leaves at one hospital and at the server, with whatever a test wants to be wrong with it."""

from __future__ import annotations

from collections.abc import Sequence

from safetensors.numpy import save

from federated.approval import approve
from federated.plan import Plan
from federated.study import model_card
from policies.events import Event
from policies.guard import Site, open_server
from policies.models import SignedModel, sign_model, trust
from policies.releases import Release
from policies.workspace import Workspace
from privacy.training.budget import one_training, spending
from privacy.training.dp_certificate import PUBLIC_CHECK
from privacy.training.randomness import CHACHA20
from tests.contracts import made
from tests.federated.hospitals import hospital


def signed_model(workspace: Workspace, plan: Plan) -> SignedModel:
    server = open_server(workspace)
    trust(workspace.trusted, server.keys.public)
    return sign_model(workspace.models, save(made(1)), model_card(plan, 1.0), server.keys)


def booked(
    workspace: Workspace,
    plan: Plan,
    *,
    spent: Sequence[int] = (1, 2),
    released: Sequence[int] = (1, 2),
    release: Release | None = None,
    noise: str = CHACHA20,
    checks: Sequence[str] | None = (PUBLIC_CHECK,),
) -> Site:
    """The ledger and the log of a hospital after a study, without the gradients.

    Args:
        spent, released: rounds.
        checks: of the cohort's preparation; none for no preparation at all.
    """
    site = hospital(workspace)
    approve(site, plan, workspace.deidentified("north"))
    if checks is not None:
        site.guard.record(Event.COHORT_PREPARED, plan=plan.digest, patients=12, checks=list(checks))
    for number in spent:
        with one_training(site), spending(site, plan.digest, number, release or plan.release_of_round(), noise):
            pass
    for number in released:
        site.guard.record(Event.UPDATE_RELEASED, plan=plan.digest, round=number, sha256="0" * 64)
    return site
