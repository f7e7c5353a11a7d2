"""Two halves of a corpus: what rules were tuned on, and what nobody read while tuning."""

from __future__ import annotations

import hashlib
from typing import Literal

Half = Literal["both", "tuned", "held-out"]


def half_of(name: str) -> Half:
    """The half of a corpus that a document is in, by a hash of its name."""
    return "held-out" if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 else "tuned"
