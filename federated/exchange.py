"""Ask the sites of a plan and wait: by name, for those that are there, until who asks has enough or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from flwr.app import Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from federated.node.pace import Pace
from policies.keys import PublicKey

PAUSE_S, LONGEST_PAUSE_S = 0.1, 0.5
AGAIN_S = 30.0  # a message may be lost where no error tells of it; asked again after this, twice this, and so on
_NUMBER_BYTES = 8
_FINAL = (ErrorCode.INVALID_FAB, ErrorCode.CLIENT_APP_RAISED_EXCEPTION)  # what an executor of ours answers


@dataclass(frozen=True)
class Node:
    """A site's node as the SuperLink knows it now.

    Attributes:
        since: when it connected last; another value means that what it was asked before is lost.
    """

    id: int
    since: str = ""


@dataclass(frozen=True)
class _Told:
    """A node that was asked, for how long its answer is waited for, and until when."""

    node: Node
    wait: float
    until: float


def _is_due(before: _Told | None, node: Node, now: float) -> bool:
    return before is None or before.node != node or now >= before.until


def _told(before: _Told | None, node: Node, now: float) -> _Told:
    wait = 2 * before.wait if before and before.node == node else AGAIN_S
    return _Told(node, wait, now + wait)


Directory = Callable[[Grid], Mapping[str, Node]]
"""The nodes that are connected now, by the name of their site."""
Settled = Callable[[Mapping[str, RecordDict | None], Collection[str]], bool]
"""Told all answers so far, and the sites that are connected: whether no more is waited for."""


@dataclass(frozen=True)
class Federation:
    """Who takes part, as the server knows it.

    Attributes:
        keys: of the sites, by name.
        find: their nodes.
    """

    name: str
    keys: Mapping[str, PublicKey]
    find: Directory


@dataclass
class Exchange:
    """The way from the server to the sites in one run.

    Attributes:
        sent, received: bytes of content by site, for the records of a round.
    """

    grid: Grid
    find: Directory
    sent: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)

    def ask(
        self,
        kind: str,
        contents: Mapping[str, RecordDict],
        seconds: float,
        settled: Settled = lambda answers, online: False,
    ) -> dict[str, RecordDict | None]:
        """Send each site its content, and again where its node came back or is silent; late joiners when they come.

        Args:
            kind: Flower's message type.
            seconds: until which all are waited for.
            settled: asked again and again whether it may end before all have answered.

        Returns:
            Answers by site; None of one that failed.
        """
        told, asked, answers = dict[str, _Told](), dict[str, str](), dict[str, RecordDict | None]()
        until, pace = time.monotonic() + seconds, Pace(PAUSE_S, LONGEST_PAUSE_S)
        while (now := time.monotonic()) < until:
            online = self.find(self.grid)
            new = {
                name: _told(told.get(name), online[name], now)
                for name in contents
                if name not in answers and name in online and _is_due(told.get(name), online[name], now)
            }
            asked |= self._push(kind, {name: (one.node, contents[name]) for name, one in new.items()})
            told |= new
            for reply in self.grid.pull_messages([one for one, name in asked.items() if name not in answers]):
                name = asked[reply.metadata.reply_to_message_id]
                pace.busy()
                if not reply.has_error():
                    answers.setdefault(name, self._counted(name, reply.content))
                elif reply.error.code in _FINAL:
                    answers.setdefault(name, None)
                else:  # its process was killed with the message in hand
                    told.pop(name, None)
                    del asked[reply.metadata.reply_to_message_id]
            if settled(answers, online.keys()) or answers.keys() == contents.keys():
                break
            time.sleep(pace.next())
        return answers

    def _push(self, kind: str, contents: Mapping[str, tuple[Node, RecordDict]]) -> dict[str, str]:
        """The ids of the messages, each with its site's name."""
        found = dict[str, str]()
        for name, (node, content) in contents.items():
            (identity,) = self.grid.push_messages([Message(content, dst_node_id=node.id, message_type=kind)])
            if identity:
                found[identity] = name
                self.sent[name] = self.sent.get(name, 0) + size_of(content)
        return found

    def _counted(self, name: str, content: RecordDict) -> RecordDict:
        self.received[name] = self.received.get(name, 0) + size_of(content)
        return content


def size_of(content: RecordDict) -> int:
    """Bytes of the numbers and fields of a message; Flower's own count fails on an empty list."""
    arrays = sum(len(array.data) for record in content.array_records.values() for array in record.values())
    values = (value for record in content.config_records.values() for value in record.values())
    parts = (part for value in values for part in (value if isinstance(value, list) else [value]))
    return arrays + sum(len(part) if isinstance(part, bytes) else _NUMBER_BYTES for part in parts)
