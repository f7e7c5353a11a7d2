"""The bundle of a version has the same bytes everywhere, is one that Flower takes, and holds no code."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from importlib import import_module

from flwr.common.config import get_fab_config, get_metadata_from_config

from federated.node.bundle import app_bundle, approved_bundle
from policies.files import sha256_hex

_PRINT = "from federated.node.bundle import approved_bundle; print(approved_bundle())"


def test_another_process_of_another_zone_and_seed_makes_the_same(tmp_path: object) -> None:
    environment = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    made = subprocess.run([sys.executable, "-c", _PRINT], env=environment, capture_output=True, text=True, check=True)
    assert made.stdout.strip() == approved_bundle() == sha256_hex(app_bundle())


def test_it_holds_no_code() -> None:
    with zipfile.ZipFile(io.BytesIO(app_bundle())) as archive:
        assert archive.namelist() == ["pyproject.toml"]
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_flower_takes_it() -> None:
    config = get_fab_config(app_bundle())
    assert get_metadata_from_config(config)[0] == "confide/confide"
    components = config["tool"]["flwr"]["app"]["components"]
    assert components.keys() == {"serverapp", "clientapp"}
    for component in components.values():
        module, _, name = component.partition(":")
        assert hasattr(import_module(module), name)
