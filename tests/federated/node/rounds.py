"""The ServerApp's process of a test: the rounds of a plan, from wherever they ended.

Each question to the sites is noted in a file before it is asked, so that a test knows where it is.
"""

import sys
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from federated.exchange import Exchange
from federated.machines import run_rounds
from federated.plan import read_plan
from federated.provision.founding import read_roster
from policies.guard import open_server
from policies.workspace import Workspace

PATIENCE_S = 120


class Noted(Exchange):
    notes: Path

    def ask(self, kind: str, *how: Any) -> dict[str, Any]:
        with self.notes.open("a") as notes:
            print(kind.rpartition(".")[2], file=notes)
        return super().ask(kind, *how)


if __name__ == "__main__":
    import federated.server_app

    federated.server_app.Exchange = Noted  # type: ignore[misc]
    server, folder = open_server(Workspace(Path(sys.argv[1]))), Path(sys.argv[2])
    Noted.notes = folder / "phases"
    plan, start = read_plan(folder / "plan.json"), load_file(folder / "start.safetensors")
    run_rounds(server, read_roster(server), plan, start, watch=print, patience_s=PATIENCE_S)
