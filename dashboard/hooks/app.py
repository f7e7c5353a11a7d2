"""The service over HTTP: routes, limits, and errors that never hold text of a record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from dashboard.console import report
from dashboard.hooks.service import MOST_NOTES, SERVICE, Service, Unfit, discovery
from dashboard.hooks.tokens import TokenRefused
from policies.errors import AccessDenied, InputError

_BODY_S = 30.0  # in which a body must have come
_BEAT_S = 600.0
_MORE = 1_000_000  # bytes beside the notes
_NO_STORE = {"Cache-Control": "no-store"}


def create_app(service: Service) -> FastAPI:
    """The routes of CDS Hooks 2.0 for one hospital, and nothing else: no page that describes them."""
    policy = service.own.guard.policy
    most = 2 * MOST_NOTES * policy.deidentification.largest_note_bytes + _MORE  # base64 takes four bytes for three
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lambda _: _beating(service))
    if policy.hooks.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(policy.hooks.origins), allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )  # fmt: skip
    app.add_exception_handler(HTTPException, _not_there)

    @app.get("/cds-services")
    async def services() -> JSONResponse:
        return JSONResponse(discovery())

    @app.post("/cds-services/{service_id}")
    async def view(service_id: str, request: Request) -> Response:
        return await _answered(service, service_id, request, most, service.view)

    @app.post("/cds-services/{service_id}/feedback")
    async def feedback(service_id: str, request: Request) -> Response:
        return await _answered(service, service_id, request, most, service.feedback)

    return app


async def _answered(service: Service, service_id: str, request: Request, most: int, act: Any) -> Response:
    """One call: the token is looked at before the body is read; the work is done in a thread."""
    if service_id != SERVICE:
        return said(404, "there is no such service")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise TokenRefused("no bearer token")
        site = await run_in_threadpool(service.admit, token.strip(), request.url.path)
        async with asyncio.timeout(_BODY_S):
            body = await _body(request, most)
        if body is None:
            return said(413, f"the request has over {most} bytes")
        made = await run_in_threadpool(act, site, body)
    except Exception as error:
        return _refusal(error)
    return Response(status_code=200) if made is None else JSONResponse(made, headers=_NO_STORE)


async def _body(request: Request, most: int) -> bytes | None:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > most:
            return None
    return bytes(data)


def _refusal(error: Exception) -> Response:
    """What went wrong, in a sentence that tells a stranger nothing; a fault of our own is told at the console."""
    if isinstance(error, TokenRefused):
        return said(401, error.message, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if isinstance(error, AccessDenied):  # an empty list of cards would say that there is nothing to say
        return said(403, "the hospital's policy does not permit this")
    if isinstance(error, TimeoutError | ClientDisconnect):
        return said(408, "the request did not come to an end")
    if isinstance(error, InputError):
        return said(412 if isinstance(error, Unfit) else 400, error.message)
    report(error)
    return said(503, "this cannot be answered now; the console of the service says why")


def said(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer without cards."""
    return JSONResponse({"error": sentence}, status, {**_NO_STORE, **(headers or {})})


async def _not_there(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return said(status, "nothing answers here" if status == 404 else "this is not how it is called")


@asynccontextmanager
async def _beating(service: Service) -> AsyncIterator[None]:
    """While it runs, the log hears of it."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            with suppress(Exception):  # a full disk ends calls, which say so, and not the service
                await run_in_threadpool(service.own.guard.log.heartbeat)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
