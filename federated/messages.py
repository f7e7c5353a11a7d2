"""What crosses between machines: arrays of numbers, a plan's hash, a round, a code; and fields of numbers and bytes.

No field can hold text, so no text of a record can leave by a message, nor by an error: a site that refuses sends the
exit code of its reason, and the reason itself stays in its own log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from numpy.typing import NDArray

from federated.aggregation import Weights
from policies.errors import IntegrityError

ARRAYS, CONFIG = "arrays", "config"
Fields = Mapping[str, Any]
"""Whole numbers, bytes, and lists of these."""
DIGEST_BYTES = 32


@dataclass(frozen=True)
class TrainOrder:
    """From server to site: take part in this round of this plan, from these weights."""

    plan: str
    round: int
    weights: Weights


@dataclass(frozen=True)
class TrainReply:
    """From site to server: a noisy gradient, or the code of a refusal.

    Attributes:
        gradient: empty where it leaves by a secure sum.
        refusal: 0, or the exit code of the error that stopped the site.
    """

    plan: str
    round: int
    gradient: Weights
    refusal: int = 0


def pack_order(order: TrainOrder) -> RecordDict:
    config = ConfigRecord({"plan": bytes.fromhex(order.plan), "round": order.round})
    return RecordDict({ARRAYS: _arrays(order.weights), CONFIG: config})


def unpack_order(content: RecordDict) -> TrainOrder:
    """Raises IntegrityError where the message is not an order, or its digest not 32 bytes."""
    try:
        config = content[CONFIG]
        return TrainOrder(_digest(config["plan"]), _whole(config["round"]), _weights(content[ARRAYS]))
    except (KeyError, TypeError, ValueError):
        raise IntegrityError("a message that is no order to train") from None


def pack_reply(reply: TrainReply, order: Message) -> Message:
    config = ConfigRecord({"plan": bytes.fromhex(reply.plan), "round": reply.round, "refusal": reply.refusal})
    return Message(RecordDict({ARRAYS: _arrays(reply.gradient), CONFIG: config}), reply_to=order)


def unpack_reply(content: RecordDict) -> TrainReply:
    """Raises IntegrityError where the message is no reply of a site."""
    try:
        config = content[CONFIG]
        round_number, refusal = (_whole(config[key]) for key in ("round", "refusal"))
        return TrainReply(_digest(config["plan"]), round_number, _weights(content[ARRAYS]), refusal)
    except (KeyError, TypeError, ValueError):
        raise IntegrityError("a message that is no reply of a site") from None


def pack_fields(plan: str, fields: Fields) -> RecordDict:
    """A question that is no order to train, or its answer."""
    return RecordDict({CONFIG: ConfigRecord({**fields, "plan": bytes.fromhex(plan)})})


def unpack_fields(content: RecordDict) -> tuple[str, Fields]:
    """The plan's digest and the fields; raises IntegrityError where one of them is no number, bytes or list of these.

    A field could hold text otherwise, and text could be a record's.
    """
    try:
        fields = dict(content[CONFIG])
        plan = _digest(fields.pop("plan"))
    except (KeyError, TypeError, ValueError):
        raise IntegrityError("a message that is no question, nor an answer") from None
    parts = (part for value in fields.values() for part in (value if isinstance(value, list) else [value]))
    if not all(isinstance(part, int | bytes) for part in parts):
        raise IntegrityError("a message that holds more than numbers and bytes")
    return plan, fields


def _arrays(weights: Mapping[str, NDArray[np.float32]]) -> ArrayRecord:
    return ArrayRecord({name: Array(array) for name, array in weights.items()})


def _weights(record: ArrayRecord) -> Weights:
    return {name: array.numpy() for name, array in record.items()}


def _digest(raw: object) -> str:
    if not isinstance(raw, bytes) or len(raw) != DIGEST_BYTES:
        raise ValueError("no digest")
    return raw.hex()


def _whole(raw: object) -> int:
    if not isinstance(raw, int):
        raise TypeError("no whole number")
    return raw
