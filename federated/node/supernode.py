"""Flower's SuperNode, except that it reads nothing of a bundle, is quick within a round, and soon back after faults.

Flower would parse a file of the bundle before our executor compares its hash; a round of several messages would mostly
wait for the next time that it asks; a site that was killed could not come back for a minute, since it counts as
connected for that long; one that was cut off would try again every 20 seconds; a message whose run ended while it was
being fetched would stand in the way of all others; and so would, for ever, an answer whose second half never came
because the executor was killed between both. All of these are fixed in its code, so they are changed here before it
runs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from flwr.supercore import heartbeat
from flwr.supercore.app_utils import start_parent_process_monitor
from flwr.supercore.corestate import in_memory_corestate as state
from flwr.supercore.retry import http_retry as retry
from flwr.supercore.run import RunNotRunningException
from flwr.supernode import fleet_http_connection as connection
from flwr.supernode import start_client_internal as loop
from flwr.supernode.cli import flower_supernode

from federated.node.executor import BEAT_S
from federated.node.pace import Pace

NODE_BEAT_S = 10  # the least that a SuperLink takes; a node that was silent for two of them is gone
LONGEST_RETRY_S = 5
LONGEST_HALF_S = 15.0  # that the rest of an answer takes from one process of this machine to another
_ANSWER_S = 0.05
_FOR_THE_SERVER_S = 1.0  # Flower's shorter sleeps wait for this machine's executor, its longer ones for the server


class Clock:
    """Sleeps in the place of Flower's loop: shortly for the executor's answer, by a pace for the next message."""

    def __init__(self) -> None:
        self._pace = Pace(shortest_s=0.1, longest_s=1.0)

    def sleep(self, seconds: float) -> None:
        if seconds < _FOR_THE_SERVER_S:
            self._pace.busy()
            time.sleep(_ANSWER_S)
        else:
            time.sleep(self._pace.next())


def _settings_of_the_run(bundle: bytes, run: Any) -> dict[str, Any]:
    return dict(run.override_config)


def _fails_when_the_run_is_over(call: Callable[..., Any]) -> Callable[..., Any]:
    """Flower gives up a message where something ordinary fails; the end of its run it raises past all handlers."""

    def called(*given: Any) -> Any:
        try:
            return call(*given)
        except RunNotRunningException:
            raise RuntimeError("the run is over") from None

    return called


class Halves:
    """Flower's store of objects, except that it does not promise for ever what nobody will bring.

    The server asks anew once it waited long enough; a site answers that from what it keeps.
    """

    def __init__(self, store: Any) -> None:
        self._store, self._since = store, dict[str, float]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, object_id: str) -> bytes | None:
        """As Flower's: empty while the content is on its way; raises TimeoutError where it is so for too long."""
        content: bytes | None = self._store.get(object_id)
        if content == b"" and time.monotonic() - self._since.setdefault(object_id, time.monotonic()) > LONGEST_HALF_S:
            raise TimeoutError("the executor ended before it gave the whole answer")
        return content


def change_flower() -> None:
    """Take the places of Flower that are ours; ends the process where they are not as they were in 1.41."""
    pull, push = loop._pull_and_store_message, loop._push_messages
    beats = [hasattr(module, "HEARTBEAT_DEFAULT_INTERVAL") for module in (state, connection, heartbeat)]
    known = all(beats) and hasattr(loop, "get_fused_config_from_fab") and hasattr(retry, "MAX_RETRY_DELAY")
    if not known or loop.time is not time:
        sys.exit("this Flower is another than the one that Confide was made for")
    loop.get_fused_config_from_fab = _settings_of_the_run
    state.HEARTBEAT_DEFAULT_INTERVAL = BEAT_S
    connection.HEARTBEAT_DEFAULT_INTERVAL = heartbeat.HEARTBEAT_DEFAULT_INTERVAL = NODE_BEAT_S
    retry.MAX_RETRY_DELAY = LONGEST_RETRY_S
    loop.time = SimpleNamespace(sleep=Clock().sleep)

    def pulled(**given: Any) -> int | None:
        calls = {name: _fails_when_the_run_is_over(given[name]) for name in ("pull_object", "confirm_message_received")}
        return pull(**given | calls)

    def pushed(state: Any, object_store: Any, *how: Any, **given: Any) -> None:
        push(state, Halves(object_store), *how, **given)

    loop._pull_and_store_message, loop._push_messages = pulled, pushed


def main() -> None:
    """Run `flower-supernode` with these arguments, except --parent: the process to end with.

    It comes back only where its loop ended on an error, such as a certificate that has expired. The process would stay,
    and answer that it is well, because of a thread that serves the executor; so it ends, and is started anew. Told to
    end, it ends at once: it keeps nothing, and Python's own end takes seconds.
    """
    place = sys.argv.index("--parent")
    start_parent_process_monitor(int(sys.argv[place + 1]))
    del sys.argv[place : place + 2]
    change_flower()
    try:
        flower_supernode()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
    os._exit(1)


if __name__ == "__main__":
    main()
