"""How long to wait before asking again: shortly after something came, longer the longer nothing does."""

from __future__ import annotations

_GROWTH = 1.5


class Pace:
    """The waits of one that asks again and again."""

    def __init__(self, shortest_s: float, longest_s: float) -> None:
        self._shortest_s, self._longest_s = shortest_s, longest_s
        self._next_s = shortest_s

    def busy(self) -> None:
        """Something came, so more may come soon."""
        self._next_s = self._shortest_s

    def next(self) -> float:
        """Seconds to wait now."""
        now, self._next_s = self._next_s, min(self._next_s * _GROWTH, self._longest_s)
        return now
