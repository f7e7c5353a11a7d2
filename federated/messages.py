"""What crosses between machines: arrays of numbers, a plan's hash, a round, a code; and fields of numbers and bytes.

No field can hold text, so no text of a record can leave by a message, nor by an error: a site that refuses sends the
exit code of its reason, and the reason itself stays in its own log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    """From server to site: take part in this round of this plan, from these weights.

    Attributes:
        receipt: of the round before, for a site that missed it; nothing before the first.
    """

    plan: str
    round: int
    weights: Weights
    receipt: bytes = b""


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
    config = ConfigRecord({"plan": bytes.fromhex(order.plan), "round": order.round, "receipt": order.receipt})
    return RecordDict({ARRAYS: _arrays(order.weights), CONFIG: config})


def unpack_order(content: RecordDict) -> TrainOrder:
    """Raises IntegrityError where the message is not an order, or its digest not 32 bytes."""
    with _reading("order to train"):
        config = content[CONFIG]
        plan, receipt = _digest(config["plan"]), _bytes(config["receipt"])
        return TrainOrder(plan, _whole(config["round"]), _weights(content[ARRAYS]), receipt)


def pack_reply(reply: TrainReply, order: Message) -> Message:
    config = ConfigRecord({"plan": bytes.fromhex(reply.plan), "round": reply.round, "refusal": reply.refusal})
    return Message(RecordDict({ARRAYS: _arrays(reply.gradient), CONFIG: config}), reply_to=order)


def unpack_reply(content: RecordDict) -> TrainReply:
    """Raises IntegrityError where the message is no reply of a site."""
    with _reading("reply of a site"):
        config = content[CONFIG]
        round_number, refusal = (_whole(config[key]) for key in ("round", "refusal"))
        return TrainReply(_digest(config["plan"]), round_number, _weights(content[ARRAYS]), refusal)


def pack_fields(plan: str, fields: Fields) -> RecordDict:
    """A question that is no order to train, or its answer."""
    return RecordDict({CONFIG: ConfigRecord({**fields, "plan": bytes.fromhex(plan)})})


def unpack_fields(content: RecordDict) -> tuple[str, Fields]:
    """The plan's digest and the fields; raises IntegrityError where one of them is no number, bytes or list of these.

    A field could hold text otherwise, and text could be a record's.
    """
    with _reading("question, nor an answer"):
        fields = dict(content[CONFIG])
        plan = _digest(fields.pop("plan"))
    parts = (part for value in fields.values() for part in (value if isinstance(value, list) else [value]))
    if not all(isinstance(part, int | bytes) for part in parts):
        raise IntegrityError("a message that holds more than numbers and bytes")
    return plan, fields


def _arrays(weights: Mapping[str, NDArray[np.float32]]) -> ArrayRecord:
    return ArrayRecord({name: Array(array) for name, array in weights.items()})


def _weights(record: ArrayRecord) -> Weights:
    found = {name: array.numpy() for name, array in record.items()}
    if not all(isinstance(array, np.ndarray) and array.dtype == np.float32 for array in found.values()):
        raise TypeError("no arrays of floats")
    return found


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """What reading another's bytes raises depends on the bytes: all of it says that they are none of what was wanted.

    Raises:
        IntegrityError: in the place of any error.
    """
    try:
        yield
    except Exception:
        raise IntegrityError(f"a message that is no {what}") from None


def _digest(raw: object) -> str:
    if len(_bytes(raw)) != DIGEST_BYTES:
        raise ValueError("no digest")
    return _bytes(raw).hex()


def _bytes(raw: object) -> bytes:
    if not isinstance(raw, bytes):
        raise TypeError("no bytes")
    return raw


def _whole(raw: object) -> int:
    if not isinstance(raw, int):
        raise TypeError("no whole number")
    return raw
