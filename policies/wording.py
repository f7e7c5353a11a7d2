"""Numbers and times in sentences."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: '1 log', '2 logs', '1 entry', '2 entries'; other plurals are given."""
    regular = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{number} {one if number == 1 else many or regular}"


def to_the_minute(time: str) -> str:
    """A time of the log (ISO 8601, UTC) as people read it: '2026-01-31 08:15'."""
    return time[:16].replace("T", " ")


def to_the_second(time: str) -> str:
    """As `to_the_minute`, with seconds."""
    return time[:19].replace("T", " ")
