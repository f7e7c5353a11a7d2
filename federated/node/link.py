"""The server's own way to its SuperLink: admit nodes, start a run, and be the ServerApp of that run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from federated.node.bundle import app_bundle, approved_bundle
from federated.provision.probe import answers
from policies.errors import StorageError, TrainingError
from policies.workspace import FederationFolder

if TYPE_CHECKING:
    from flwr.serverapp import Grid
    from flwr.supercore.control import ControlHttpClient
    from flwr.supercore.runtime import RuntimeHttpClient
    from flwr.superlink.grid import HttpGrid

_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
_SERVER_APP = "flwr-serverapp"
_MOST_OLD_TASKS = 100


@dataclass(frozen=True)
class Link:
    """The private door of a SuperLink that runs on this machine."""

    folder: FederationFolder
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def authority(self) -> bytes:
        return self.folder.authority.read_bytes()

    def answers(self) -> bool:
        return answers(f"https://{self.address}/health", self.folder.authority)


class _Bearer:
    """Shows this machine's secret with every request to Control."""

    def __init__(self, token: str) -> None:
        self._token = token

    def intercept(self, context: Any, call_next: Any) -> Any:
        context.request.headers["authorization"] = f"Bearer {self._token}"
        return call_next(context)


def admit_nodes(link: Link, nodes: Mapping[str, bytes]) -> None:
    """Let exactly these nodes in, by name and public key (PEM): what is new is registered, what is gone is removed.

    Raises:
        StorageError: the SuperLink does not answer.
        TrainingError: a key was removed once; Flower never takes it again.
    """
    from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest, UnregisterNodeRequest

    with _control(link) as control:
        known = {node.public_key: node for node in control.ListNodes(ListNodesRequest()).nodes_info if _active(node)}
        for key in known.keys() - set(nodes.values()):
            control.UnregisterNode(UnregisterNodeRequest(node_id=known[key].node_id))
        for name, key in nodes.items():
            if key not in known:
                _register(control, RegisterNodeRequest(public_key=key, name=name))


def _register(control: ControlHttpClient, request: Any) -> None:
    import httpx
    from flwr.supercore.error import ApiErrorCode, FlowerError

    try:
        control.RegisterNode(request)
    except httpx.HTTPStatusError as error:
        said = FlowerError.from_json(error.response.text)
        if said is None or said.code != ApiErrorCode.PUBLIC_KEY_ALREADY_IN_USE:
            raise
        raise TrainingError(
            f"the node of '{request.name}' was dismissed, and its key cannot come back",
            f"There, run 'confide site init {request.name} --new-key' and join again.",
        ) from None


def online_nodes(link: Link) -> dict[bytes, bool]:
    """Public key of every admitted node, and whether its site is connected."""
    from flwr.proto.control_pb2 import ListNodesRequest

    with _control(link) as control:
        return {
            node.public_key: node.status == "online"
            for node in control.ListNodes(ListNodesRequest()).nodes_info
            if _active(node)
        }


@contextmanager
def run_of_installed_code(link: Link) -> Iterator[Grid]:
    """Start a run with the bundle of this version, and be its ServerApp: this very process, not one that Flower starts.

    The run ends with the block: completed, or failed where it raises. Where this process is killed, the SuperLink ends
    the run within a minute, when its heartbeat is missed. Where the SuperLink is killed, it may have handed out what
    never arrived, so the run ends with the first request that fails, and whoever wants to go on starts another.

    Raises:
        StorageError: the SuperLink does not answer.
        TrainingError: it does not give the run to this process.
        httpx.HTTPError: in the block, when the SuperLink is gone or has ended the run.
    """
    import httpx
    from flwr.common.constant import SubStatus
    from flwr.common.serde import run_from_proto
    from flwr.proto.runtime_pb2 import PullTaskInputRequest, PushTaskOutputRequest
    from flwr.supercore.heartbeat import HeartbeatSender
    from flwr.supercore.task_identity import TaskIdentity

    grid = _grid(link, _claim(link, _start_run(link)))
    heart = HeartbeatSender(partial(_beat, grid._runtime_client))
    heart.start()
    status, details = SubStatus.FAILED, "the server stopped"
    try:
        given = grid._runtime_client.PullTaskInput(PullTaskInputRequest())
        TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, given.run.run_id
        TaskIdentity.node_id = given.context.node_id
        grid.set_run(run_from_proto(given.run))
        yield grid
        status, details = SubStatus.COMPLETED, ""
    finally:
        heart.stop()
        with suppress(httpx.HTTPError):
            grid._runtime_client.PushTaskOutput(PushTaskOutputRequest(sub_status=status, details=details))
        grid.close()


def _start_run(link: Link) -> int:
    from flwr.proto.control_pb2 import StartRunRequest
    from flwr.proto.fab_pb2 import Fab

    with _control(link) as control:
        run = control.StartRun(StartRunRequest(fab=Fab(hash_str=approved_bundle(), content=app_bundle())))
    if not run.run_id:
        raise TrainingError("the SuperLink did not start the run", "Look into the server's log 'superlink'.")
    return int(run.run_id)


def _claim(link: Link, run_id: int) -> str:
    """The token of a run's ServerApp; tasks of runs that were never taken up are ended on the way."""
    from flwr.common.constant import SubStatus
    from flwr.proto.runtime_pb2 import AcquireTaskRequest, PushTaskOutputRequest
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
    from flwr.supercore.runtime import RuntimeHttpClient

    secret = SuperExecAuthHttpInterceptor(
        master_secret=link.folder.executor_secret.read_bytes(), protected_methods={_ACQUIRE}
    )
    version = RuntimeVersionHttpInterceptor(component_name="SuperExec")
    client = RuntimeHttpClient.from_server_address(link.address, False, link.authority, [version, secret])
    try:
        for _ in range(_MOST_OLD_TASKS):
            found = client.AcquireTask(AcquireTaskRequest(supported_task_types=[_SERVER_APP]))
            if found.token and found.task.run_id == run_id:
                return str(found.token)
            if not found.token:
                break
            grid = _grid(link, found.token)
            grid._runtime_client.PushTaskOutput(PushTaskOutputRequest(sub_status=SubStatus.FAILED, details="left over"))
            grid.close()
    finally:
        client.close()
    raise TrainingError("the SuperLink did not give the run to this process", "Is another 'confide train' running?")


def _grid(link: Link, token: str) -> HttpGrid:
    from flwr.superlink.grid import HttpGrid

    grid = HttpGrid(link.address, False, link.authority, token=token)
    grid._retry_invoker.should_giveup = lambda error: True  # Flower's own would wait for ever, or end this process
    return grid


def _beat(client: RuntimeHttpClient) -> bool:
    """Tell the SuperLink that this process lives; Flower's own ends the process where the run is over."""
    import httpx
    from flwr.proto.runtime_pb2 import SendTaskHeartbeatRequest

    with suppress(httpx.HTTPError):
        client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
    return True


@contextmanager
def _control(link: Link) -> Iterator[ControlHttpClient]:
    import httpx
    from flwr.supercore.control import ControlHttpClient
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

    bearer = _Bearer(link.folder.control_secret.read_bytes().hex())
    interceptors = [RuntimeVersionHttpInterceptor(component_name="flwr CLI"), bearer]
    client = ControlHttpClient.from_server_address(link.address, False, link.authority, interceptors)
    try:
        yield client
    except httpx.HTTPError as error:
        raise StorageError(
            f"the SuperLink of this server does not answer on port {link.port} ({type(error).__name__})",
            "Run 'confide server status'; 'confide server start' starts it.",
        ) from None
    finally:
        client.close()


def _active(node: Any) -> bool:
    return bool(node.status != "unregistered")
