"""Security headers of every answer, as OWASP's Secure Headers Project and ZAP's baseline scan ask for them."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Streamlit styles its elements inline, and compiles what its charts need as WebAssembly; scripts come from here alone.
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' {inline}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
    "connect-src 'self'; frame-src 'none'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'; "
    "object-src 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_A_YEAR = "max-age=31536000; includeSubDomains"


class SecurityHeaders:
    """Adds the headers to each answer.

    Args:
        inline: sources of the inline scripts of Streamlit's own page, by their hashes.
        encrypted: whether browsers come over HTTPS.
    """

    def __init__(self, app: ASGIApp, inline: str, encrypted: bool) -> None:
        self._app = app
        self._headers = {**HEADERS, "Content-Security-Policy": POLICY.format(inline=inline)}
        if encrypted:
            self._headers["Strict-Transport-Security"] = _A_YEAR

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, self._adding(scope, send) if scope["type"] == "http" else send)

    def _adding(self, scope: Scope, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return sent
