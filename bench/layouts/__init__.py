"""Hospital exports in layouts and with names that de-identification was not built on, each identifier marked."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeVar

Half = Literal["dev", "test", "fresh", "sealed"]
HALVES: tuple[Half, ...] = ("dev", "test", "fresh", "sealed")
BOTH = HALVES[:2]  # the two that a run takes when none is named
T = TypeVar("T")


@cache
def table(name: str) -> dict[str, Any]:
    """One of the tables beside this module."""
    return tomllib.loads(files(__name__).joinpath("tables", f"{name}.toml").read_text("utf-8"))


def listed(name: str, half: Half) -> dict[str, Any]:
    """Lists that a half shares with one other: dev with test; fresh with sealed, written later and apart."""
    return table(name if half in BOTH else f"{name}_blind")


def own(items: Sequence[T], half: Half) -> Sequence[T]:
    """The part of a list that a half may use: even places for "dev" and "fresh", odd ones for "test" and "sealed"."""
    return items[HALVES.index(half) % 2 :: 2]
