"""Messages come back as they were sent, and what is none is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from federated.messages import CONFIG, TrainOrder, TrainReply, pack_order, pack_reply, unpack_order, unpack_reply
from policies.errors import IntegrityError
from tests.contracts import close, made

pytestmark = pytest.mark.usefixtures("flower")
DIGEST = "ab" * 32


def order() -> Message:
    return Message(content=pack_order(TrainOrder(DIGEST, 3, made(1), b"receipt")), dst_node_id=1, message_type="train")


def test_an_order_comes_back() -> None:
    found = unpack_order(order().content)
    assert (found.plan, found.round, found.receipt) == (DIGEST, 3, b"receipt")
    close(found.weights, made(1))


@pytest.mark.parametrize("refusal", [0, 9])
def test_a_reply_comes_back(refusal: int) -> None:
    gradient = {} if refusal else made(2)
    found = unpack_reply(pack_reply(TrainReply(DIGEST, 3, gradient, refusal), order()).content)
    assert (found.plan, found.round, found.refusal) == (DIGEST, 3, refusal)
    close(found.gradient, gradient)


def test_no_field_of_a_message_is_text() -> None:
    for content in (order().content, pack_reply(TrainReply(DIGEST, 3, {}, 9), order()).content):
        assert {type(value) for value in content[CONFIG].values()} <= {int, bytes}
        assert len(content[CONFIG]["plan"]) == 32


def changed(**values: Any) -> RecordDict:
    config = {"plan": bytes(32), "round": 1, "refusal": 0, "receipt": b""} | values
    config = {key: value for key, value in config.items() if value is not None}
    return RecordDict({"arrays": ArrayRecord({"w": Array(np.zeros(1, np.float32))}), CONFIG: ConfigRecord(config)})


@pytest.mark.parametrize("digest", [b"", b"a" * 31, b"a" * 33, "a" * 32, 7, None])
def test_a_digest_that_is_not_32_bytes_is_refused(digest: object) -> None:
    for unpack in (unpack_order, unpack_reply):
        with pytest.raises(IntegrityError):
            unpack(changed(plan=digest))


@pytest.mark.parametrize("key", ["round", "refusal"])
@pytest.mark.parametrize("value", ["1", 1.5, None, b"1"])
def test_numbers_that_are_none_are_refused(key: str, value: object) -> None:
    with pytest.raises(IntegrityError):
        unpack_reply(changed(**{key: value}))


@pytest.mark.parametrize(
    "content", [RecordDict({}), RecordDict({CONFIG: ConfigRecord({"plan": bytes(32), "round": 1})})]
)
def test_a_message_without_its_parts_is_refused(content: RecordDict) -> None:
    for unpack in (unpack_order, unpack_reply):
        with pytest.raises(IntegrityError):
            unpack(content)


def holding(data: bytes, stype: str = "numpy.ndarray") -> RecordDict:
    array = Array("float32", (1,), stype, data)
    return RecordDict({"arrays": ArrayRecord({"w": array}), CONFIG: changed()[CONFIG]})


def saved(array: np.ndarray) -> bytes:
    return Array(array).data


@pytest.mark.parametrize(
    "content",
    [
        holding(b""),
        holding(saved(np.zeros(9, np.float32))[:-1]),
        holding(saved(np.zeros(9, np.float32))[:20]),
        holding(saved(np.zeros(1, np.float32)), "other"),
        holding(saved(np.zeros(1, np.float64))),
        holding(saved(np.array(["Zebulon"]))),
        holding(b"PK\x03\x04" + bytes(40)),
        RecordDict({"arrays": changed()[CONFIG], CONFIG: changed()[CONFIG]}),
        RecordDict({"arrays": changed()["arrays"], CONFIG: changed()["arrays"]}),
    ],
)
def test_arrays_that_are_none_are_refused(content: RecordDict) -> None:
    for unpack in (unpack_order, unpack_reply):
        with pytest.raises(IntegrityError, match="a message that is no"):
            unpack(content)
