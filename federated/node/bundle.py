"""The bundle that every run of a federation carries: a name and a version, and no code.

Flower sends the server's bundle with each run and its own client process would unpack it, put it first on `sys.path`
and import it. A site of ours runs the code that is installed there, so the bundle says no more than which version that
is, and any other bundle is refused by its hash before a byte of it is read.
"""

from __future__ import annotations

import io
import zipfile
from functools import cache
from importlib.metadata import version

from policies.files import sha256_hex

_BEFORE_ALL_TIME = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can hold
# Flower wants both components named; neither is ever loaded by these names: a site has the installed ClientApp, and the
# ServerApp is the process of 'confide train' itself.
_PROJECT = """\
[project]
name = "confide"
version = "{version}"
description = "Runs the Confide that is installed; this bundle holds no code."

[tool.flwr.app]
publisher = "confide"

[tool.flwr.app.components]
serverapp = "federated.server_app:build_server_app"
clientapp = "federated.client_app:app"
"""


@cache
def app_bundle() -> bytes:
    """The bundle of this version: the same bytes wherever the same version is installed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo("pyproject.toml", _BEFORE_ALL_TIME)
        entry.create_system = 3  # Unix, on whatever machine this runs
        archive.writestr(entry, _PROJECT.format(version=version("confide")))
    return buffer.getvalue()


def approved_bundle() -> str:
    """SHA-256 of the one bundle whose runs are taken part in here."""
    return sha256_hex(app_bundle())
