"""The files in deploy/ are read by the tools that they are for, and every command in them is one that exists."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click import Group
from typer.main import get_command

from dashboard.cli import app

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
COMPOSE = DEPLOY / "compose.yaml"


def options_of(words: list[str]) -> set[str]:
    """The options of a command; fails where there is no such command."""
    command = get_command(app)
    while isinstance(command, Group):
        command = command.commands[words.pop(0)]
    return {option for parameter in command.params for option in parameter.opts}


def is_a_command(words: list[str]) -> bool:
    used = {word for word in words if word.startswith("--")}
    return used <= options_of([word for word in words if not word.startswith("-")])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_runs_a_command_that_exists_in_the_foreground(unit: Path) -> None:
    (line,) = re.findall(r"^ExecStart=\S+ (.+)$", unit.read_text(), re.MULTILINE)
    assert is_a_command(line.split())
    assert "--foreground" in line


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_may_use_no_more_than_it_needs(unit: Path) -> None:
    limits = dict(re.findall(r"^(MemoryMax|CPUQuota|TasksMax|LimitNOFILE)=(.+)$", unit.read_text(), re.MULTILINE))
    assert len(limits) == 4
    assert "infinity" not in limits.values()


def said_by(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_reads_a_unit(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name.replace("@.", "@north.")
    here = unit.read_text().replace("/opt/confide/bin/confide", "/bin/true").replace("User=confide", "User=root")
    copy.write_text(here)
    made = said_by("systemd-analyze", "verify", str(copy))
    assert (made.returncode, [line for line in made.stderr.splitlines() if copy.name in line]) == (0, [])


def test_a_container_runs_commands_that_exist() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    for service in services.values():
        assert is_a_command(service["command"])
        assert is_a_command(service["healthcheck"]["test"][2:])
        assert service["read_only"]
        assert {"mem_limit", "cpu_shares", "pids_limit"} <= service.keys()


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker on this machine")
def test_compose_reads_its_file() -> None:
    if said_by("docker", "compose", "version").returncode:
        pytest.skip("no docker compose on this machine")
    made = said_by("docker", "compose", "-f", str(COMPOSE), "config", "-q")
    assert made.returncode == 0, made.stderr
