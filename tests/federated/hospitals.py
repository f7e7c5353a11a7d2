"""Three tiny hospitals: a workspace with a policy, a cohort for each, and a plan that they may approve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.numpy import save

from clinical.manifest import write_manifest
from federated.aggregation import Weights
from federated.messages import TrainOrder
from federated.plan import Plan, SiteShare
from federated.receipt import Receipt, write_receipt
from policies.files import sha256_hex
from policies.guard import Site, account_name, open_server, open_site
from policies.notes import Verifier
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.encoders import find_encoder
from tests.clinical.notes import LABELS, cohort, write

SITES = {"north": "0.2", "river": "0.3", "summit": "0.5"}
PATIENTS, SMALLEST, ROUNDS = 12, 10, 2


def set_policy(workspace: Workspace, **keys: Any) -> None:
    """Write the default policy with a small smallest cohort and other values for some keys of [training]."""
    lines = default_policy_text(account_name()).splitlines()
    for key, value in ({"smallest_cohort": SMALLEST, "threads": 1} | keys).items():
        (place,) = (number for number, line in enumerate(lines) if line.startswith(f"{key} = "))
        lines[place] = f"{key} = {value}"
    workspace.policy.write_text("\n".join(lines) + "\n")


def new_workspace(root: Path) -> Workspace:
    workspace = Workspace(root)
    root.mkdir(parents=True, exist_ok=True)
    set_policy(workspace)
    for name in SITES:
        release(workspace, name, cohort(PATIENTS, name[0]))
    return workspace


def watch_each_other(workspace: Workspace) -> None:
    """A policy by which the three sign each other's logs, and need both of the others."""
    vkeys = [Verifier(hospital(workspace, name).keys.public).vkey for name in SITES]
    text = workspace.policy.read_text()
    workspace.policy.write_text(
        text.replace("hospitals = []", f"hospitals = {vkeys}").replace("needed = 0", "needed = 2")
    )


def release(workspace: Workspace, name: str, resources: list[Any]) -> Path:
    """De-identified records of a hospital, as it signs them."""
    folder = write(workspace.deidentified(name), resources)
    write_manifest(folder, hospital(workspace, name).keys, {})
    return folder


def hospital(workspace: Workspace, name: str = "north") -> Site:
    return open_site(workspace, name)


def plan_for(encoder: Path, **changes: Any) -> Plan:
    """A plan of two rounds for the three; sigma 2 at rate 0.9 costs about 3 of the policy's 8."""
    values = {
        "study": "tiny",
        "encoder": str(encoder),
        "encoder_sha256": find_encoder(str(encoder)).sha256,
        "labels": LABELS,
        "label_source": "category",
        "lora_rank": 2,
        "lora_scale": 1.0,
        "seed": 7,
        "window": 24,
        "rounds": ROUNDS,
        "sampling_rate": "0.9",
        "clip": "1.0",
        "sigma": "2.0",
        "delta": "1e-05",
        "learning_rate": 0.5,
        "momentum": 0.5,
        "held_back": 0.0,
        "split_key": "key",
        "sites": tuple(SiteShare(name=name, patients=10, weight=weight) for name, weight in SITES.items()),
    }
    return Plan.model_validate(values | changes)


def order_for(plan: Plan, number: int, weights: Weights) -> TrainOrder:
    """As a simulation's server gives it: with the receipt of the round before, which ended with these weights."""
    model = sha256_hex(save(weights))
    before = Receipt(
        plan=plan.digest,
        round=number - 1,
        attempt=0,
        aggregation=plan.aggregation,
        start=model,
        inputs={},
        model=model,
    )
    document = write_receipt(open_server(Workspace.find()).keys, before) if number > 1 else b""
    return TrainOrder(plan.digest, number, weights, document)
