"""What a process that de-identifies does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["privacy.subject", "privacy.tagger.recognizer", "clinical.deid"])
def test_finding_identifiers_loads_neither_torch_nor_transformers(module: str) -> None:
    program = f"import sys, {module}; print({{'torch', 'transformers'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_what_was_hidden_can_be_imported_afterwards() -> None:
    program = "import privacy.text.presidio, torch; print(torch.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "torch\n"
