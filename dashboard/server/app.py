"""The ASGI application: Streamlit's pages, the form before them, and the headers around all of it."""

from __future__ import annotations

import base64
import re
import secrets
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import streamlit
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.routing import Route

from dashboard.server.gate import SIGN_IN, Gate, ToTheForm
from dashboard.server.headers import SecurityHeaders
from policies.errors import PolicyError
from policies.files import refuse_readable
from policies.policy import load_policy
from policies.workspace import Workspace

SCRIPT = Path(__file__).parents[1] / "app.py"
_LARGEST_UPLOAD = 6 * 2**20
_INLINE = re.compile(r"<script>(.*?)</script>", re.S)


def build(workspace: Workspace, url: str) -> streamlit.App:
    """The application of one workspace.

    Args:
        url: under which browsers reach it.

    Raises:
        PolicyError: there is no policy, or openid.toml is not what it must be.
        IntegrityError: others than its owner may read openid.toml, which holds a secret.
    """
    encrypted, openid = url.startswith("https://"), _openid(workspace.openid, url)
    MultiPartParser.spool_max_size = _LARGEST_UPLOAD  # an upload stays in memory and never lies on a disk
    gate = Gate(workspace, load_policy(workspace.policy).signin.openid.title if openid else "", url)
    return streamlit.App(
        SCRIPT,
        secrets={"auth": openid} if openid else None,
        routes=[
            Route(SIGN_IN, gate.form, methods=["GET"]),
            Route(SIGN_IN, gate.sign_in, methods=["POST"]),
        ],
        middleware=[
            Middleware(SecurityHeaders, inline=_inline_scripts(), encrypted=encrypted),
            Middleware(ToTheForm, gate=gate),
        ],
    )


def _openid(file: Path, url: str) -> dict[str, Any]:
    """What Streamlit needs for OpenID Connect; nothing where the hospital set up none."""
    if not file.exists():
        return {}
    refuse_readable(file, "OpenID Connect client")
    try:
        given = tomllib.loads(file.read_text("utf-8"))
        kept = {name: str(given[name]) for name in ("client_id", "client_secret", "server_metadata_url")}
    except (OSError, ValueError, KeyError) as error:
        raise PolicyError(
            f"{file}: not what OpenID Connect needs ({type(error).__name__})",
            "It holds client_id, client_secret and server_metadata_url, each a text.",
        ) from None
    # A cookie that one start of the dashboard signed is worth nothing after the next.
    return {**kept, "redirect_uri": f"{url}/oauth2callback", "cookie_secret": secrets.token_hex(32)}


def _inline_scripts() -> str:
    """Sources for the Content-Security-Policy: the inline scripts of Streamlit's own page, by hash."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes().decode()
    hashes = (base64.b64encode(sha256(script.encode()).digest()).decode() for script in _INLINE.findall(page))
    return " ".join(f"'sha256-{digest}'" for digest in hashes)
