"""The files in deploy/ are read by the tools that they are for, and every command in them is one that exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from click import Group
from typer.main import get_command

from dashboard.cli import app

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
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
    stays = "--foreground" in options_of([word for word in line.split() if not word.startswith("-")])
    assert ("--foreground" in line) == stays


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_may_use_no_more_than_it_needs(unit: Path) -> None:
    limits = dict(re.findall(r"^(MemoryMax|CPUQuota|TasksMax|LimitNOFILE)=(.+)$", unit.read_text(), re.MULTILINE))
    assert len(limits) == 4
    assert "infinity" not in limits.values()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_can_be_told_the_passphrase_of_the_keys(unit: Path) -> None:
    assert re.search(r"^EnvironmentFile=-/etc/confide/\w+\.env$", unit.read_text(), re.MULTILINE)


def test_no_workspace_goes_into_an_image() -> None:
    """An image holds what is installed, and what installing reads; everything else, whatever its name, stays here."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.partition(".")[0] for name in project["tool"]["setuptools"]["packages"]}
    read = {"pyproject.toml", "constraints.txt", project["project"]["readme"], *project["project"]["license-files"]}
    assert lines[0] == "*"
    assert allowed == packages | read
    assert set(lines[1:]) - {f"!{name}" for name in allowed} == {"**/__pycache__"}


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
        assert {"CONFIDE_KEK", "CONFIDE_PASSPHRASE_FILE"} <= service["environment"].keys()


@pytest.mark.parametrize("page", [COMPOSE, ROOT / "docs" / "federation.md"], ids=lambda page: page.name)
def test_what_needs_the_processes_is_run_where_they_are(page: Path) -> None:
    """A new container has a loopback and process numbers of its own: there, nothing finds those of another."""
    told = re.findall(r"docker compose -f deploy/compose.yaml (run --rm|exec) (\w+) ([^\n`]+)", page.read_text())
    assert {how for how, _, _ in told} == {"run --rm", "exec"}
    for how, service, command in told:
        words = command.split()
        assert service in yaml.safe_load(COMPOSE.read_text())["services"]
        if how == "exec":
            assert words.pop(0) == "confide"
        assert is_a_command(words)
        assert (how == "exec") != ("init" in words or "join" in words)


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker on this machine")
def test_compose_reads_its_file() -> None:
    if said_by("docker", "compose", "version").returncode:
        pytest.skip("no docker compose on this machine")
    made = said_by("docker", "compose", "-f", str(COMPOSE), "config", "-q")
    assert made.returncode == 0, made.stderr
