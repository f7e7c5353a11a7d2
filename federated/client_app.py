"""The Flower ClientApp of a hospital: the same in a simulation and on the hospital's own machine."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from federated.messages import TrainReply, pack_fields, pack_reply, unpack_fields, unpack_order
from federated.witnessing import Question, answer
from policies.errors import ConfideError, IntegrityError
from policies.events import Event
from policies.guard import Site, open_site
from policies.workspace import Workspace

SIMULATED_SITES = "CONFIDE_SIMULATED_SITES"
_UNEXPECTED = 1
NO_PLAN = "00" * 32

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
    except ConfideError as error:
        code = error.exit_code
        _note(context, round_number, error)
    except Exception as error:
        code = _UNEXPECTED
        _note(context, round_number, error)
    return pack_reply(TrainReply(plan, round_number, _place(context), {}, code), message)


def question(asked: Question, message: Message, context: Context) -> Message:
    """Answer one of the questions by which sites sign each other's tree heads; what cannot be answered is empty."""
    plan, fields = NO_PLAN, dict[str, Any]()
    try:
        from federated.site_round import approved

        site = locate_site(context)
        plan, given = unpack_fields(message.content)
        fields = {**answer(site, approved(site, plan).plan, asked, given), "site": _place(context)}
    except Exception as error:
        _note(context, 0, error)
    return Message(pack_fields(plan, fields), reply_to=message)


for _asked in Question:
    app.query(_asked.value)(partial(question, _asked))


def _note(context: Context, round_number: int, error: Exception) -> None:
    """Leave kind and place of a failure in the site's own log; its message could hold anything, so it is not kept."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    with suppress(Exception):  # Flower would send its text
        locate_site(context).guard.record(
            Event.ROUND_FAILED, round=round_number, error=type(error).__name__, place=place
        )


def locate_site(context: Context) -> Site:
    """Which hospital this process is: named by the node's configuration, or by its place in a simulation.

    Raises:
        IntegrityError: neither says.
    """
    name = context.node_config.get("site")
    if name is None:
        names = [part for part in os.environ.get(SIMULATED_SITES, "").split(",") if part]
        if _place(context) >= len(names):
            raise IntegrityError("this process does not know which site it is")
        name = names[_place(context)]
    return open_site(Workspace.find(), str(name))


def _place(context: Context) -> int:
    return int(context.node_config.get("partition-id", 0))
