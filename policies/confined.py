"""What strangers wrote is read in a process of its own: with little memory and time, no file, no settings and no trace.

The child is a module that calls `serve`; bytes come at its standard input, and JSON goes to its standard output.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from policies.errors import ConfideError, InputError

CPU_S = 10
_MEMORY = 768 * 2**20  # bytes of address space


def ask(module: str, data: bytes, *words: str, hint: str, cpu_s: int = CPU_S) -> Any:
    """What a module of ours finds in data of unknown content.

    Args:
        words: arguments of the module.
        hint: what to do where the module does not say it.
        cpu_s: that the module lets itself have; it is killed after twice as long.

    Raises:
        InputError: the module refuses the data, or cannot read it within the limits.
    """
    command = [sys.executable, "-P", "-m", module, *words]
    try:
        done = subprocess.run(  # noqa: S603  # all of it is ours
            command, input=data, capture_output=True, timeout=2 * cpu_s, check=True, env={}
        )
        answer = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        raise InputError("it cannot be read within the limits of memory and time", hint) from None
    if "error" in answer:
        raise InputError(answer["error"], answer["hint"] or hint)
    return answer["found"]


def serve(work: Callable[[bytes], Any], cpu_s: int = CPU_S) -> None:
    """Answer once, under the limits, and end."""
    limit(cpu_s)
    sys.stdout.write(json.dumps(answer_of(work, sys.stdin.buffer.read())))


def limit(cpu_s: int = CPU_S) -> None:
    """Little memory, little time, no file that grows, and no picture of the memory when it ends."""
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def answer_of(work: Callable[[bytes], Any], data: bytes) -> Mapping[str, Any]:
    """What was found, or an error and a hint."""
    try:
        return {"found": work(data)}
    except ConfideError as error:
        return {"error": error.message, "hint": error.hint}
    except Exception as error:  # a parser's message may hold what it read
        return {"error": f"it cannot be read ({type(error).__name__})", "hint": ""}
