"""Flower's SuperNode, except that it reads nothing of a bundle, and asks for messages more often than every 3 seconds.

Flower would parse a file of the bundle before our executor compares its hash, and a round of several messages would
mostly wait for the next time that it asks; an executor that was killed would hold up its site for a minute. All three
are fixed in its code, so they are changed here before it runs.
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

from flwr.supercore.app_utils import start_parent_process_monitor
from flwr.supercore.corestate import in_memory_corestate as state
from flwr.supernode import start_client_internal as loop
from flwr.supernode.cli import flower_supernode

from federated.node.executor import BEAT_S

POLL_S = 0.5


def _settings_of_the_run(bundle: bytes, run: Any) -> dict[str, Any]:
    return dict(run.override_config)


def change_flower() -> None:
    """Take the three places of Flower that are ours; ends the process where they are not as they were in 1.41."""
    known = hasattr(loop, "get_fused_config_from_fab") and hasattr(state, "HEARTBEAT_DEFAULT_INTERVAL")
    if not known or loop.time is not time:
        sys.exit("this Flower is another than the one that Confide was made for")
    loop.get_fused_config_from_fab = _settings_of_the_run
    state.HEARTBEAT_DEFAULT_INTERVAL = BEAT_S
    loop.time = SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, POLL_S)))


def main() -> None:
    """Run `flower-supernode` with these arguments, except --parent: the process to end with."""
    place = sys.argv.index("--parent")
    start_parent_process_monitor(int(sys.argv[place + 1]))
    del sys.argv[place : place + 2]
    change_flower()
    flower_supernode()


if __name__ == "__main__":
    main()
