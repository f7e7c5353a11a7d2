"""A hospital with two patients in its vault, and people of different roles."""

from __future__ import annotations

import json
from pathlib import Path

from policies.guard import Site, open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.vault.originals import Vault

CANARY = "Zebulon"
PEOPLE = """alice = ["clinician"]
bob = ["compliance_officer"]
carol = ["compliance_officer", "clinician"]
dave = ["hospital_it"]
"""
PATIENT = {
    "name": [{"given": [CANARY, "A."], "family": "Quist"}],
    "identifier": [{"system": "mrn", "value": "785-2774"}],
    "address": [{"line": ["1 Main St"], "city": "Ames"}],
    "birthDate": "1950-02-03",
}


def hospital(root: Path) -> Workspace:
    workspace = Workspace(root)
    root.mkdir()
    whole = default_policy_text("nobody")
    line = '"nobody" = ["clinician", "hospital_it", "compliance_officer", "data_steward", "researcher"]\n'
    assert line in whole
    workspace.policy.write_text(whole.replace(line, PEOPLE))
    site = at(workspace, "dave")
    Vault(site.home.vault, site.keys.wrapping).put(
        [("p1", "p1", json.dumps(PATIENT).encode()), ("p1", "d1", b"Cough."), ("p2", "p2", b"{}"), ("p2", "d2", b"-")]
    )
    return workspace


def at(workspace: Workspace, actor: str) -> Site:
    return open_site(workspace, "north", actor)
