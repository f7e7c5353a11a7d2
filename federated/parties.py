"""Whose signatures a site believes: of those that it compared keys with, or in a simulation of its workspace."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from federated.plan import Plan
from federated.provision.membership import membership
from policies.errors import TrainingError
from policies.guard import Site
from policies.keys import PublicKey, open_public
from policies.workspace import SERVER, Workspace

SIMULATED_SITES = "CONFIDE_SIMULATED_SITES"
SIMULATION = "simulation"


@dataclass(frozen=True)
class Parties:
    """A federation's name, its server's key, and the sites' keys by name."""

    federation: str
    server: PublicKey
    sites: Mapping[str, PublicKey]


def parties_of(site: Site) -> Parties:
    """Raises TrainingError where the site joined no federation and this is no simulation."""
    if SIMULATED_SITES in os.environ:
        return simulated_parties(Workspace.find(), simulated_sites())
    roster = membership(site)
    return Parties(roster.federation, roster.server_key, {one.name: roster.key_of(one.name) for one in roster.members})


def simulated_sites() -> list[str]:
    return [name for name in os.environ.get(SIMULATED_SITES, "").split(",") if name]


def simulated_parties(workspace: Workspace, names: list[str]) -> Parties:
    """All sites and the server of one workspace."""
    keys = {name: open_public(workspace.site(name).keys, name) for name in names}
    return Parties(SIMULATION, open_public(workspace.server.keys, SERVER), keys)


def check_known(site: Site, plan: Plan) -> None:
    """Raises TrainingError where a site of a plan is none whose keys were compared."""
    parties = parties_of(site)
    for share in plan.sites:
        if share.name not in parties.sites:
            raise TrainingError(f"no site '{share.name}' takes part in the federation '{parties.federation}'")
