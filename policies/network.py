"""What the libraries beneath would do on the network: calling home is off, and a Ray that listens asks for a token."""

from __future__ import annotations

import os
import secrets

_OFF = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def call_nobody() -> None:
    """Set the variables that the libraries read, before they are imported.

    A variable that is set already is left alone: HF_HUB_OFFLINE=0 lets a hospital fetch an encoder on purpose.
    """
    for name, value in _OFF.items():
        os.environ.setdefault(name, value)


def lock_ray() -> None:
    """Give the Ray that this process will start a token of its own: it listens beyond loopback, and runs what it gets.

    Once for a process, since Ray reads the token once. A cluster that is already there ($RAY_ADDRESS) keeps its own.
    """
    if "RAY_ADDRESS" not in os.environ and "RAY_AUTH_TOKEN" not in os.environ:
        os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
