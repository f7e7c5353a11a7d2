"""The process of a site that answers messages: the installed ClientApp, in the place of Flower's `flwr-clientapp`.

It stays up between messages, so that the encoder is loaded once. A run whose bundle is not the approved one is refused
by the hash of its bytes; nothing of a bundle is ever unpacked, written or imported.
"""

from __future__ import annotations

import argparse
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from federated.node.bundle import approved_bundle
from federated.node.pace import Pace
from federated.node.supervise import stop_on_signals
from federated.parties import SIMULATED_SITES
from federated.refusing import record_refusal
from policies.errors import ConfideError
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import Site, open_site
from policies.workspace import Workspace

if TYPE_CHECKING:
    from flwr.app import Context, Message
    from flwr.supercore.runtime import RuntimeHttpClient

BEAT_S = 7  # after two that are missed, the SuperNode gives a message back to the server, and takes the next
_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
_NOTHING_IS_SAID = "the reason is in the site's own log"


def answer(site: Site, message: Message, context: Context, bundle: bytes) -> Message:
    """The installed ClientApp's reply; or an error that says nothing of why, since its text could hold anything.

    Args:
        bundle: what the server sent with the run; its own hash counts, not the one that the server states.
    """
    from flwr.app import Message
    from flwr.app.error import Error
    from flwr.common.constant import ErrorCode

    if (found := sha256_hex(bundle)) != approved_bundle():
        reason = "a run carries another bundle than that of the installed version"
        record_refusal(site, Event.RUN_REFUSED, bundle=found, reason=reason)
        return Message(Error(code=ErrorCode.INVALID_FAB, reason=_NOTHING_IS_SAID), reply_to=message)
    try:
        from federated.client_app import app  # not before the check

        return app(message=message, context=context)
    except Exception as error:
        _say(error)
        return Message(Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=_NOTHING_IS_SAID), reply_to=message)


def serve(site: Site, address: str, stop: threading.Event) -> None:
    """Take one task after another from the SuperNode at this address until told to stop, and show that it goes on."""
    from flwr.proto.runtime_pb2 import AcquireTaskRequest
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor

    secret = SuperExecAuthHttpInterceptor(
        master_secret=site.home.federation.executor_secret.read_bytes(), protected_methods={_ACQUIRE}
    )
    client = _client(address, [RuntimeVersionHttpInterceptor(component_name="SuperExec"), secret])
    wanted = AcquireTaskRequest(supported_task_types=["flwr-clientapp"])
    pace = Pace(shortest_s=0.05, longest_s=0.25)
    while not stop.wait(pace.next()):
        site.home.federation.beat.touch()
        try:
            found = client.AcquireTask(wanted)
            if found.token:
                _work(site, address, found.token)
                pace.busy()
        except Exception as error:  # a SuperNode that starts or ends; the supervisor sees to it
            _say(error)
            stop.wait(1.0)
    client.close()


def _work(site: Site, address: str, token: str) -> None:
    """Pull one message, answer it, push the reply."""
    from flwr.common.constant import SubStatus
    from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
    from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, RuntimeVersionHttpInterceptor
    from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

    client = _client(
        address, [RuntimeVersionHttpInterceptor(component_name="flwr-clientapp"), RuntimeTokenHttpInterceptor(token)]
    )
    tell_supernode = make_task_heartbeat_fn_http(client)

    def beat() -> bool:
        site.home.federation.beat.touch()  # in the place of the loop, which waits for the training
        return bool(tell_supernode())

    heart = HeartbeatSender(beat)
    heart.start()
    try:
        message, context, _, fab = pull_task_input(client)
        push_message(client, answer(site, message, context, fab.content), context)
        push_task_output(client, context, SubStatus.COMPLETED, "")
    finally:
        heart.stop()
        client.close()


def _client(address: str, interceptors: list[object]) -> RuntimeHttpClient:
    from flwr.supercore.runtime import RuntimeHttpClient

    return RuntimeHttpClient.from_server_address(address, True, None, interceptors)


def _say(error: Exception) -> None:
    """One line for the log of this process; the message of an error that nobody foresaw could hold text of a record."""
    print(error.message if isinstance(error, ConfideError) else type(error).__name__, flush=True)


def main() -> None:
    from flwr.supercore import heartbeat
    from flwr.supercore.app_utils import start_parent_process_monitor

    heartbeat.HEARTBEAT_DEFAULT_INTERVAL = BEAT_S
    parser = argparse.ArgumentParser()
    for name in ("--workspace", "--site", "--supernode"):
        parser.add_argument(name, required=True)
    parser.add_argument("--parent", type=int, required=True)
    chosen = parser.parse_args()
    os.environ.pop(SIMULATED_SITES, None)  # whose keys are believed, the roster says
    stop = stop_on_signals()  # the message in hand is answered first
    start_parent_process_monitor(chosen.parent)
    serve(open_site(Workspace(Path(chosen.workspace)), chosen.site), chosen.supernode, stop)
    os._exit(0)  # what counts is on disk, and Python's own end takes seconds where torch is loaded


if __name__ == "__main__":
    main()
