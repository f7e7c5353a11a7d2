"""The dashboard as a process of its own: `python -m dashboard.server PORT URL`, started by `dashboard.launch`."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from dashboard.server.app import build
from dashboard.server.warm import warm
from policies.network import call_nobody
from policies.workspace import Workspace

HOST = "127.0.0.1"


def main(port: str, url: str) -> None:
    """Serve until the process is ended."""
    call_nobody()
    place = Workspace.find()
    app = build(place, url)
    warm(place)
    app.run(
        config={
            "server.address": HOST,
            "server.port": int(port),
            "server.headless": True,
            "server.allowedHosts": [urlsplit(url).hostname],  # against DNS rebinding
            "server.fileWatcherType": "none",
            "server.enableXsrfProtection": True,
            "server.enableCORS": True,
            "server.maxUploadSize": 5,  # MB
            "server.disconnectedSessionTTL": 30,  # s
            "browser.gatherUsageStats": False,
            "client.showErrorDetails": "none",  # a trace could show text of a record
            "client.toolbarMode": "minimal",
            "logger.level": "error",
            "theme.light.primaryColor": "#2f74ae",
            "theme.dark.primaryColor": "#5aa0dc",
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
