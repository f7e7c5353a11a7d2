"""Stands in for Flower's runtime: hands each message to the client app of the hospital, here and now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import uuid4

from flwr.app import Context, Message, RecordDict

from federated.client_app import app
from federated.exchange import Node

Alter = Callable[[int, Message], Message | None]
"""What a test does to a message on its way to the site of a place; None loses it."""
Forge = Callable[[int, Message], RecordDict | None]
"""What a test puts in the place of a site's reply; None lets it be."""


class SameProcess:
    def __init__(self, alter: Alter = lambda place, message: message, forge: Forge = lambda place, reply: None) -> None:
        self._alter, self._replace, self._replies = alter, forge, list[Message]()

    def get_node_ids(self) -> list[int]:
        return [1, 2, 3]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        ids = []
        for message in messages:
            ids.append(uuid4().hex)
            place = message.metadata.dst_node_id - 1
            if (altered := self._alter(place, message)) is not None:
                altered.metadata.__dict__["_message_id"] = ids[-1]
                reply = app(altered, context_of(place))
                if (forged := self._replace(place, reply)) is not None:
                    reply.content = forged
                self._replies.append(reply)
        return ids

    def pull_messages(self, ids: Iterable[str]) -> list[Message]:
        wanted = set(ids)
        found = [reply for reply in self._replies if reply.metadata.reply_to_message_id in wanted]
        self._replies = [reply for reply in self._replies if reply not in found]
        return found


def nodes_of(names: Iterable[str]) -> dict[str, Node]:
    return {name: Node(place + 1) for place, name in enumerate(names)}


def context_of(place: int) -> Context:
    return Context(run_id=1, node_id=1, node_config={"partition-id": place}, state=RecordDict(), run_config={})
