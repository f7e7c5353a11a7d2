"""The Flower ClientApp of a hospital: the same in a simulation and on the hospital's own machine."""

from __future__ import annotations

import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from federated.messages import Fields, TrainReply, pack_fields, pack_reply, unpack_fields, unpack_order
from federated.parties import simulated_sites
from federated.refusing import is_logged, record_refusal
from federated.site_questions import ANSWERS
from policies.errors import ConfideError, IntegrityError
from policies.events import Event
from policies.guard import Site, open_site
from policies.workspace import Workspace

_UNEXPECTED = 1
NO_PLAN = "00" * 32
PLACE = "place"  # who a node of a simulation is; between machines, its key says so

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer an order with a noisy gradient, or with the code of the refusal and nothing else.

    An error's own text never travels: it could name a file, a line or worse, so it stays at the site.
    """
    plan, round_number = NO_PLAN, 0
    try:
        from federated.site_round import train_round  # torch loads only where something is trained

        order = unpack_order(message.content)
        plan, round_number = order.plan, order.round
        return pack_reply(train_round(locate_site(context), order), message)
    except Exception as error:
        _note(context, round_number, error)
        return pack_reply(TrainReply(plan, round_number, {}, _code_of(error)), message)


def question(asked: str, message: Message, context: Context) -> Message:
    """Answer one of the server's questions, or give the code of the refusal and nothing else."""
    plan = NO_PLAN
    given: Fields = {}
    try:
        plan, given = unpack_fields(message.content)
        fields = ANSWERS[asked](locate_site(context), plan, given)
    except Exception as error:
        number = given.get("round", 0)
        _note(context, number if isinstance(number, int) else 0, error)
        fields = {"refusal": _code_of(error)}
    return Message(pack_fields(plan, fields), reply_to=message)


for _asked in ANSWERS:
    app.query(_asked)(partial(question, _asked))


@app.query(PLACE)
def place(message: Message, context: Context) -> Message:
    """The place of a simulated site among those of the simulation."""
    return Message(pack_fields(NO_PLAN, {PLACE: _place(context)}), reply_to=message)


def _code_of(error: Exception) -> int:
    return error.exit_code if isinstance(error, ConfideError) else _UNEXPECTED


def _note(context: Context, round_number: int, error: Exception) -> None:
    """Leave kind and place of a failure in the site's own log, and the reason where the message is one of ours.

    The message of any other error could hold anything, so it is not kept. A refusal that was logged stands there once.
    """
    if is_logged(error):
        return
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    details: dict[str, str | int] = {"round": round_number, "error": type(error).__name__, "place": place}
    if isinstance(error, ConfideError):
        details["reason"] = error.message
    with suppress(Exception):  # Flower would send its text
        record_refusal(locate_site(context), Event.ROUND_FAILED, **details)


def locate_site(context: Context) -> Site:
    """Which hospital this process is: named by the node's configuration, or by its place in a simulation.

    Raises:
        IntegrityError: neither says.
    """
    name = context.node_config.get("site")
    if name is None:
        names = simulated_sites()
        if _place(context) >= len(names):
            raise IntegrityError("this process does not know which site it is")
        name = names[_place(context)]
    return open_site(Workspace.find(), str(name))


def _place(context: Context) -> int:
    return int(context.node_config.get("partition-id", 0))
