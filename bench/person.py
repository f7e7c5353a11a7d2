"""Somebody at the dashboard without a browser: speaks the pages' own protocol, and keeps all that reaches the person.

Streamlit's browser half sends what was clicked over a WebSocket (`BackMsg`), and gets what to draw (`ForwardMsg`) until
the script has run. A page is drawn when that message came; drawing itself costs the person's own machine, not the
server's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

_LARGEST, _PATIENCE_S = 64 * 2**20, 120.0


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """An answer that leads elsewhere is the answer."""


def cookie_of(url: str, account: str, password: str) -> str:
    """The cookie of a new session, of the form; raises PermissionError where nobody was signed in."""
    form = Request(f"{url}/signin", urlencode({"name": account, "password": password}).encode(), {"Origin": url})
    try:
        build_opener(_Stay).open(form)
    except HTTPError as answer:
        if answer.code == 303:
            (kept,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
            return f"{kept.key}={kept.value}"
    raise PermissionError(f"'{account}' was not signed in")


@dataclass
class Person:
    """One open page of a session.

    Attributes:
        received: all bytes that came for what is shown now, and since `forget`.
    """

    link: ClientConnection
    page: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    widgets: dict[tuple[str, str], Any] = field(default_factory=dict)
    values: dict[str, WidgetState] = field(default_factory=dict)
    received: list[bytes] = field(default_factory=list)
    _kept: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    async def come(cls, url: str, cookie: str) -> Person:
        """Connect with the cookie of a session."""
        link = await connect(
            f"ws://{urlsplit(url).netloc}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            additional_headers={"Cookie": cookie},
            origin=Origin(url),
            max_size=_LARGEST,
            open_timeout=_PATIENCE_S,
        )
        return cls(link)

    async def open(self, address: str) -> None:
        """A page by its address."""
        self.values.clear()
        await self._run(page_name=address, page_script_hash=self.pages.get(address, ""))

    async def press(self, label: str) -> None:
        """The first button whose label begins so."""
        await self._run(WidgetState(id=self._widget("button", label).id, trigger_value=True))

    async def write(self, label: str, words: str) -> None:
        """Into the field whose label begins so."""
        await self._set("text_input", label, words)

    async def pick(self, label: str, words: str) -> None:
        """One of the choices whose label begins so."""
        await self._set("radio", label, words)

    async def _set(self, kind: str, label: str, words: str) -> None:
        found = self._widget(kind, label)
        self.values[found.id] = WidgetState(id=found.id, string_value=words)
        await self._run()

    def shows(self, kind: str, label: str) -> bool:
        """Whether there is such a widget."""
        return any(own == kind and said.startswith(label) for own, said in self.widgets)

    def _widget(self, kind: str, label: str) -> Any:
        return next(found for (own, said), found in self.widgets.items() if own == kind and said.startswith(label))

    async def _run(self, pressed: WidgetState | None = None, **where: str) -> None:
        """Ask for a run of the script, and wait for its end."""
        message = BackMsg()
        state = message.rerun_script
        state.page_script_hash = where.get("page_script_hash", self.page)
        state.page_name = where.get("page_name", "")
        state.widget_states.widgets.extend([*self.values.values(), *([pressed] if pressed else [])])
        state.cached_message_hashes.extend(self._kept)
        await self.link.send(message.SerializeToString())
        self.received.clear()
        while not self._take(await self.link.recv()):
            pass

    def _take(self, data: bytes | str) -> bool:
        """Keep what came; whether the script has run to its end."""
        assert isinstance(data, bytes)
        message = ForwardMsg.FromString(data)
        if message.ref_hash:
            data = self._kept[message.ref_hash]
            message = ForwardMsg.FromString(data)
        elif message.metadata.cacheable:
            self._kept[message.hash] = data
        self.received.append(data)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.page, self.widgets = message.new_session.page_script_hash, {}
            self.received[:] = [data]
        elif kind == "navigation":
            self.pages = {own.url_pathname: own.page_script_hash for own in message.navigation.app_pages}
        elif kind == "delta" and message.delta.HasField("new_element"):
            element = message.delta.new_element
            kind = element.WhichOneof("type") or ""
            if label := getattr(getattr(element, kind, None), "label", ""):
                self.widgets[kind, label] = getattr(element, kind)
        elif kind == "script_finished":
            return message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
        return False
