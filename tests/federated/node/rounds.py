"""The ServerApp's process of a test: the rounds of a plan, from wherever they ended."""

import sys
from pathlib import Path

from safetensors.numpy import load_file

from federated.machines import run_rounds
from federated.plan import read_plan
from federated.provision.founding import read_roster
from policies.guard import open_server
from policies.workspace import Workspace

PATIENCE_S = 90

if __name__ == "__main__":
    server, root = open_server(Workspace(Path(sys.argv[1]))), Path(sys.argv[2])
    plan, start = read_plan(root / "plan.json"), load_file(root / "start.safetensors")
    run_rounds(server, read_roster(server), plan, start, watch=print, patience_s=PATIENCE_S)
