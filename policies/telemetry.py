"""Nothing calls home: usage statistics, update checks and hub look-ups of the libraries beneath are off."""

from __future__ import annotations

import os

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


def switch_off() -> None:
    """Set the variables that the libraries read, before they are imported.

    A variable that is set already is left alone: HF_HUB_OFFLINE=0 lets a hospital fetch an encoder on purpose.
    """
    for name, value in _OFF.items():
        os.environ.setdefault(name, value)
