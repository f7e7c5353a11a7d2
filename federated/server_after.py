"""What the server tells the sites after a round, its receipt, and what they do for each other after the last one."""

from __future__ import annotations

from collections.abc import Sequence

from federated.asking import Asking
from federated.exchange import Federation
from federated.messages import Fields
from federated.plan import Plan
from federated.questions import RECEIPT
from federated.witnessing import Question, check_answer, cosign_all, no_answer
from policies.events import Event
from policies.guard import Server

_PATIENCE_S = 60.0  # for an answer that needs no training


def receipt_of(server: Server, plan: Plan, number: int) -> bytes:
    """The receipt of a finished round as it was signed; nothing before the first."""
    return server.home.receipt(plan.digest, number).read_bytes() if number else b""


def hand_out(server: Server, plan: Plan, asking: Asking, number: int) -> None:
    """The receipt to every site that is there; one that refuses it says so by its code, and that is logged."""
    fields = {"round": number, "document": receipt_of(server, plan, number)}
    names = [share.name for share in plan.sites]
    asked = dict.fromkeys(names, fields)
    asking.ask_fields(RECEIPT, plan.digest, asked, lambda name, said: None, seconds=_PATIENCE_S, enough=0)


def cosign(server: Server, plan: Plan, federation: Federation, asking: Asking) -> None:
    """Let the sites sign each other's tree heads; what is missing is logged, and undoes no training."""
    names = [share.name for share in plan.sites]
    left = list(names)

    def ask(question: Question, asked: Sequence[Fields]) -> list[Fields]:
        """A site that gave no answer is asked no more."""
        given = asking.ask_fields(
            question,
            plan.digest,
            {name: fields for name, fields in zip(names, asked, strict=True) if name in left},
            lambda name, said: check_answer(question, len(asked), said),
            seconds=_PATIENCE_S,
            enough=0,
        ).given
        left[:] = given
        return [given.get(name, no_answer(question, len(asked))) for name in names]

    missing = cosign_all(plan, federation.keys, ask, asking.wrong)
    missing |= {name: missing.get(name, []) for name in names if name not in left}
    if missing:
        server.guard.record(Event.WITNESS_REFUSED, plan=plan.digest, missing=missing)
