"""A hospital's part in a federation: who takes part, what protects it, and whether the processes beside are well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from federated.node.bundle import approved_bundle
from federated.node.state import State, read_state
from federated.provision.membership import membership
from federated.provision.roster import Roster
from policies.guard import Server, Site
from policies.policy import Policy
from policies.workspace import FederationFolder

_LIBRARIES = ("confide", "flwr", "torch", "opacus", "dp-accounting", "transformers", "cryptography")


@dataclass(frozen=True)
class Health:
    """The processes of a hospital's node, or of the server, as their supervisor last saw them.

    Attributes:
        command: what makes them well; empty where they are.
    """

    sentence: str
    command: str
    rows: tuple[Mapping[str, object], ...] = ()

    @property
    def well(self) -> bool:
        return not self.command


def federation(site: Site) -> Roster | None:
    """The federation that somebody of this hospital joined; None where nobody did.

    Raises:
        IntegrityError: the roster was edited, or this hospital's keys are others since.
    """
    return membership(site) if site.home.federation.roster.exists() else None


def site_rows(
    roster: Roster, newest: tuple[str, ...] | None, online: Mapping[bytes, bool] | None = None
) -> list[dict[str, str]]:
    """Every hospital that was invited.

    Args:
        newest: whose updates were counted in the newest round; None where that is said elsewhere.
        online: which nodes are connected, by their key, where the server runs in this workspace.
    """
    rows = []
    for name in sorted(roster.invited):
        member = roster.member(name)
        row = {
            "Hospital": name,
            "Keys": "known" if member else "awaited",
            "Signing key": f"{member.signing[:16]}…" if member else "",
        }
        if newest is not None:
            row["In the newest round"] = "yes" if name in newest else "no"
        if online is not None:
            row["Connected"] = "yes" if member and online.get(member.node.encode()) else "no"
        rows.append(row)
    return rows


def health(folder: FederationFolder, what: str, start: str) -> Health:
    """Whether the processes beside are well.

    Args:
        what: runs there; start: the command that starts it.
    """
    state = read_state(folder)
    if state is None:
        return Health(f"{what} does not run.", start)
    rows = tuple(
        {
            "Process": child.name,
            "Health": "well" if child.healthy else "not well",
            "Restarts": child.restarts,
            "Last exit code": "" if child.last_exit is None else str(child.last_exit),
        }
        for child in state.children
    )
    return Health(_said(state, what), "" if state.healthy else f"ls {folder.root / 'logs'}", rows)


def _said(state: State, what: str) -> str:
    since = datetime.fromisoformat(state.since)
    well = "runs and is well" if state.healthy else "runs and is not well: look into its logs"
    return f"{what} {well}, since {since:%Y-%m-%d %H:%M} UTC." + (f" Attention: {state.note}." if state.note else "")


def online(server: Server) -> dict[bytes, bool]:
    """Which nodes are connected to the server of this workspace, by their public key.

    Raises:
        StorageError: it does not answer.
    """
    from federated.node.link import online_nodes
    from federated.node.service import running_link

    return online_nodes(running_link(server))


def rules(policy: Policy) -> tuple[tuple[str, str], ...]:
    """What this hospital asks of a federation whatever its server says, from its own policy."""
    own, training = policy.federation, policy.training
    required, keys = own.secure_aggregation_required, len(policy.witnesses.hospitals)
    allowed = "secure" if required else ", ".join(own.aggregations)
    secure = "required: the server never sees this hospital's update" if required else "not required"
    return (
        ("Secure aggregation", secure),
        ("Aggregations", allowed),
        ("Hospitals in a round", f"at least {own.fewest_sites}"),
        ("Noise", f"at least {training.smallest_noise:g} times the clipping norm, added here before anything leaves"),
        ("Clipping norm", f"at most {training.largest_clip:g}"),
        ("Epsilon", f"at most {training.epsilon:g} over all runs, at delta {training.delta:g}"),
        ("Cohort", f"at least {training.smallest_cohort} patients"),
        ("Rounds", f"at most {training.most_rounds} in a plan"),
        ("Transport", "TLS to the federation's own authority; each node is known by its key"),
        ("Witnesses of the log", f"{keys} hospitals, of which {policy.witnesses.needed} must sign"),
    )


def versions() -> tuple[tuple[str, str], ...]:
    """What is installed here; a hospital takes part in runs of this very bundle alone."""
    return (*((name, version(name)) for name in _LIBRARIES), ("Bundle (SHA-256)", f"{approved_bundle()[:16]}…"))
