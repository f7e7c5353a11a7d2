"""Signing in with a password: the one form outside of Streamlit, which cannot give a cookie to the browser."""

from __future__ import annotations

import html
import logging
from importlib.resources import files
from string import Template
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.signin import Roleless, cookie_of, sessions, sign_in
from policies.accounts import SignInRefused
from policies.errors import ConfideError
from policies.policy import load_policy
from policies.workspace import Workspace

SIGN_IN = "/signin"
OPENID = "/?signin=openid"
_IDENTITY = "_streamlit_user"  # the cookie in which Streamlit keeps who came by OpenID Connect
_LARGEST_FORM = 4096
_OF_SESSIONS = ("/_stcore/upload_file", "/media/")
_AWAY = "Confide cannot be used now. Please tell hospital IT."  # what is wrong is no stranger's business
_faults = logging.getLogger("confide.dashboard")
_INNER = ("/_stcore/", "/static/", "/media/", "/component/", "/auth/", "/oauth2callback")


class Gate:
    """Answers to the form, and sends whoever is not signed in to it.

    Args:
        openid: what the button of OpenID Connect is called; empty where it is not set up.
        url: under which browsers reach the dashboard; over HTTPS the cookie never travels without.
    """

    def __init__(self, workspace: Workspace, openid: str, url: str) -> None:
        self.workspace, self._openid, self._url = workspace, openid, url
        self._cookie, self._encrypted = cookie_of(url), url.startswith("https://")

    async def form(self, request: Request) -> Response:
        """The form; whoever is signed in already goes on."""
        return RedirectResponse("/", 303) if await self.knows(request) else await self._form()

    async def sign_in(self, request: Request) -> Response:
        """Check name and password, and begin a session."""
        if not _from_here(request):
            return await self._form("The form came from another page. Please sign in here.", 403)
        fields = parse_qs((await _small(request)).decode(errors="replace"), keep_blank_values=True)
        name, password = (fields.get(field, [""])[0] for field in ("name", "password"))
        try:
            token = await run_in_threadpool(sign_in, self.workspace, name, password)
        except (SignInRefused, Roleless) as error:
            return await self._form(f"{error.message}. {error.hint}", 401)
        except ConfideError as error:
            _faults.error("nobody can sign in: %s", error.message)
            return await self._form(_AWAY, 503)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, token, httponly=True, samesite="lax", secure=self._encrypted, path="/")
        return answer

    async def knows(self, came: HTTPConnection) -> bool:
        """Whether a session goes on, or Streamlit knows the person; the pages themselves look again."""
        if self._openid and (_IDENTITY in came.cookies or came.query_params.get("signin") == "openid"):
            return True
        token = came.cookies.get(self._cookie)
        return bool(token) and await run_in_threadpool(self._goes_on, token or "")

    async def lets(self, came: HTTPConnection) -> bool:
        """Whether this may reach Streamlit: a part of a page only for whoever is signed in, and from this address.

        Where the hospital's directory is set up, Streamlit's own page leads to it, before anybody is signed in.
        """
        if came.scope["type"] == "websocket":
            return came.headers.get("origin", self._url) == self._url and bool(self._openid or await self.knows(came))
        return not came.url.path.startswith(_OF_SESSIONS) or await self.knows(came)

    def _goes_on(self, token: str) -> bool:
        try:
            return sessions(self.workspace).find(token, active=False) is not None
        except ConfideError:
            return False

    async def _form(self, said: str = "", status: int = 200) -> Response:
        return HTMLResponse(await run_in_threadpool(self._drawn, said), status)

    def _drawn(self, said: str) -> str:
        try:
            contact = load_policy(self.workspace.policy).contact.compliance_officer
        except ConfideError as error:
            _faults.error("the policy cannot be read: %s", error.message)
            contact, said = "whoever runs Confide", said or _AWAY
        other = f'<a class="other" href="{OPENID}">Use {html.escape(self._openid)}</a>' if self._openid else ""
        alert = f'<p role="alert">{html.escape(said)}</p>' if said else ""
        page = Template(files("dashboard.server").joinpath("signin.html").read_text("utf-8"))
        return page.substitute(said=alert, openid=other, contact=html.escape(contact))


class ToTheForm:
    """Sends a browser that asks for a page, and is not signed in, to the form."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif not await self._gate.lets(came := HTTPConnection(scope)):
            await _refuse(scope, receive, send)
        elif scope["type"] == "http" and _is_page(Request(scope)) and not await self._gate.knows(came):
            await RedirectResponse(SIGN_IN, 303)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await PlainTextResponse("Sign in first.", 403)(scope, receive, send)


async def _small(request: Request) -> bytes:
    """The body of a form, or nothing of one that is too large, however it comes."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            return b""
    return body


def _is_page(request: Request) -> bool:
    """Whether a browser opens a page, not a part of one."""
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return False
    return not request.url.path.startswith((SIGN_IN, *_INNER))


def _from_here(request: Request) -> bool:
    """Whether a form was sent by a page of this server (OWASP, CSRF prevention: verify the origin)."""
    if site := request.headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    return urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host")
