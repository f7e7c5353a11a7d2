"""Hospital exports in layouts and with names that de-identification was not built on, each identifier marked."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeVar

Half = Literal["dev", "test"]
HALVES: tuple[Half, Half] = ("dev", "test")
T = TypeVar("T")


@cache
def table(name: str) -> dict[str, Any]:
    """One of the tables beside this module."""
    return tomllib.loads(files(__name__).joinpath("tables", f"{name}.toml").read_text("utf-8"))


def own(items: Sequence[T], half: Half) -> Sequence[T]:
    """The part of a list that a half may use: even places for "dev", odd ones for "test"."""
    return items[HALVES.index(half) :: 2]
