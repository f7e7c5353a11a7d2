"""What a Prometheus server may scrape of the server: rounds, seconds and bytes, and no count that was not released.

The text exposition format, version 0.0.4. The patients of a site are those that its plan declares: counted with noise,
booked, and told by the site itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from federated.plan import read_plan
from federated.progress import rounds_done
from policies.errors import TrainingError
from policies.guard import Server

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LOOPBACK = "127.0.0.1"
_KINDS = {
    "confide_rounds_finished": "Rounds of a plan that are finished.",
    "confide_rounds_planned": "Rounds of a plan.",
    "confide_round_seconds_sum": "Seconds of all finished rounds.",
    "confide_bytes_to_site": "Bytes of messages to a site in all finished rounds.",
    "confide_bytes_from_site": "Bytes of messages from a site in all finished rounds.",
    "confide_declared_patients": "Training patients that a plan declares for a site, counted with noise.",
    "confide_plans_unread": "Plans that this version cannot read; nothing else here counts them.",
}


def metrics_text(server: Server) -> str:
    """Every plan that this server has agreed on with its sites."""
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    unread = 0
    for path in sorted(server.home.runs.glob("*/plan.json")):
        try:
            plan = read_plan(path)
        except TrainingError:
            unread += 1
            continue
        done, label = rounds_done(server, plan.digest), f'plan="{plan.digest[:16]}"'
        found["confide_rounds_finished"].append(f"{{{label}}} {len(done)}")
        found["confide_rounds_planned"].append(f"{{{label}}} {plan.rounds}")
        found["confide_round_seconds_sum"].append(f"{{{label}}} {sum(float(one['seconds']) for one in done):.3f}")
        for share in plan.sites:
            of_site = f'{{{label},site="{share.name}"}}'
            found["confide_declared_patients"].append(f"{of_site} {share.patients}")
            found["confide_bytes_to_site"].append(f"{of_site} {_total(done, 'sent', share.name)}")
            found["confide_bytes_from_site"].append(f"{of_site} {_total(done, 'received', share.name)}")
    found["confide_plans_unread"].append(f" {unread}")
    lines: list[str] = []
    for kind, rows in found.items():
        lines += [f"# HELP {kind} {_KINDS[kind]}", f"# TYPE {kind} gauge", *(kind + row for row in rows)]
    return "\n".join(lines) + "\n"


@contextmanager
def served_metrics(server: Server, port: int | None) -> Iterator[None]:
    """Answer GET /metrics on this machine's loopback as long as the block runs; nothing where no port is named."""
    if port is None:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = metrics_text(server).encode() if self.path == "/metrics" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", _TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not logged."""

    with ThreadingHTTPServer((_LOOPBACK, port), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            web.shutdown()


def _total(done: Iterable[dict[str, dict[str, int]]], way: str, site: str) -> int:
    return sum(one[way].get(site, 0) for one in done)
