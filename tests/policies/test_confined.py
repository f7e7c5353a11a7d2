"""A child process with limits: what it finds, what it refuses, and what it never gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from policies.confined import answer_of, ask
from policies.errors import InputError

MODULE = """if True:
    import os, sys
    from policies.confined import serve

    def work(data):
        kind = sys.argv[1]
        if kind == "text":
            return {"text": data.decode(), "settings": sorted(set(os.environ) - {"LC_CTYPE"})}
        if kind == "fault":
            raise ValueError(data.decode())
        if kind == "end":
            os._exit(3)
        while True:
            pass

    serve(work, 1)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A program in the place of a module; -P keeps the working directory out of the child's path."""
    program = tmp_path / "program.py"
    program.write_text(MODULE)
    run = subprocess.run

    def with_file(command: list[str], **given: object) -> object:
        assert command[:3] == [sys.executable, "-P", "-m"] and given["env"] == {}
        return run([sys.executable, str(program), *command[4:]], **given)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", with_file)
    return "program"


def test_a_child_finds_what_it_is_for_and_knows_no_settings(module: str) -> None:
    assert ask(module, b"abc", "text", hint="h", cpu_s=5) == {"text": "abc", "settings": []}


def test_a_fault_tells_its_kind_and_nothing_of_what_was_read(module: str) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(ValueError\)") as refused:
        ask(module, b"Zebulon", "fault", hint="h", cpu_s=5)
    assert refused.value.hint == "h" and "Zebulon" not in refused.value.message


@pytest.mark.parametrize("kind", ["end", "forever"])
def test_one_that_dies_or_goes_on_for_ever_is_a_sentence(module: str, kind: str) -> None:
    with pytest.raises(InputError, match="limits of memory and time"):
        ask(module, b"", kind, hint="h", cpu_s=5)


def test_the_child_gets_neither_memory_nor_a_file_beyond_its_limits(tmp_path: Path) -> None:
    for act in ("bytearray(2**30)", f"open({str(tmp_path / 'x')!r}, 'w').write('x' * 9999)"):
        code = f"from policies.confined import limit; limit(); {act}"
        assert subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.DEVNULL).returncode != 0


def test_an_error_of_ours_keeps_its_hint() -> None:
    def refuse(_: bytes) -> None:
        raise InputError("no", "do this")

    assert answer_of(refuse, b"") == {"error": "no", "hint": "do this"}


def test_a_fault_of_a_parser_is_told_by_its_kind() -> None:
    def fail(data: bytes) -> None:
        raise ValueError(data.decode())

    assert answer_of(fail, b"Zebulon") == {"error": "it cannot be read (ValueError)", "hint": ""}
