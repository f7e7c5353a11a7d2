"""Signing in with a password: the one form outside of Streamlit, which cannot give a cookie to the browser."""

from __future__ import annotations

import html
from importlib.resources import files
from string import Template
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.signin import COOKIE, sessions, sign_in
from policies.errors import ConfideError
from policies.policy import load_policy
from policies.workspace import Workspace

SIGN_IN = "/signin"
OPENID = "/?signin=openid"
_IDENTITY = "_streamlit_user"  # the cookie in which Streamlit keeps who came by OpenID Connect
_LARGEST_FORM = 4096
_INNER = ("/_stcore/", "/static/", "/media/", "/component/", "/auth/", "/oauth2callback")


class Gate:
    """Answers to the form, and sends whoever is not signed in to it.

    Args:
        openid: what the button of OpenID Connect is called; empty where it is not set up.
        encrypted: whether browsers come over HTTPS, so that the cookie never travels without.
    """

    def __init__(self, workspace: Workspace, openid: str, encrypted: bool) -> None:
        self.workspace, self._openid, self._encrypted = workspace, openid, encrypted

    async def form(self, request: Request) -> Response:
        """The form; whoever is signed in already goes on."""
        return RedirectResponse("/", 303) if await self.knows(request) else await self._form()

    async def sign_in(self, request: Request) -> Response:
        """Check name and password, and begin a session."""
        if not _from_here(request):
            return await self._form("The form came from another page. Please sign in here.", 403)
        body = await request.body() if int(request.headers.get("content-length", 0)) <= _LARGEST_FORM else b""
        fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
        name, password = (fields.get(field, [""])[0] for field in ("name", "password"))
        try:
            token = await run_in_threadpool(sign_in, self.workspace, name, password)
        except ConfideError as error:
            return await self._form(f"{error.message}. {error.hint}", 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=self._encrypted, path="/")
        return answer

    async def knows(self, request: Request) -> bool:
        """Whether a session goes on, or Streamlit knows the person; the pages themselves look again."""
        if _IDENTITY in request.cookies or request.query_params.get("signin") == "openid":
            return True
        token = request.cookies.get(COOKIE)
        return bool(token) and await run_in_threadpool(self._goes_on, token or "")

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
            contact, said = "whoever runs Confide", said or f"{error.message}. {error.hint}"
        other = f'<a class="other" href="{OPENID}">Use {html.escape(self._openid)}</a>' if self._openid else ""
        alert = f'<p role="alert">{html.escape(said)}</p>' if said else ""
        page = Template(files("dashboard.server").joinpath("signin.html").read_text("utf-8"))
        return page.substitute(said=alert, openid=other, contact=html.escape(contact))


class ToTheForm:
    """Sends a browser that asks for a page, and is not signed in, to the form."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_page(Request(scope)) and not await self._gate.knows(Request(scope)):
            await RedirectResponse(SIGN_IN, 303)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_page(request: Request) -> bool:
    """Whether a browser opens a page, not a part of one."""
    path = request.url.path
    inner = path.startswith(("/_stcore/", "/static/", "/media/", "/component/", "/auth/", "/oauth2callback"))
    return (
        request.method == "GET" and not inner and path != SIGN_IN and "text/html" in request.headers.get("accept", "")
    )


def _from_here(request: Request) -> bool:
    """Whether a form was sent by a page of this server (OWASP, CSRF prevention: verify the origin)."""
    if site := request.headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    return urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host")
