"""What the server keeps of the secure sums of a round: who is in them, and what it takes to do the last one again.

That is, beside the signed receipt: each vector as it came, under masks, and the secrets by which the masks came off the
sum of all. They tell nobody more than the server learned in the round: for each site it has one of two secrets.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from federated.secagg import Opened
from federated.secagg.messages import Advert
from policies.errors import InputError, IntegrityError
from policies.files import canonical_json, write_whole
from policies.workspace import ServerHome


class _Opened(BaseModel):
    """`Opened` as a file."""

    model_config = ConfigDict(extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    adverts: tuple[Advert, ...]
    seeds: dict[int, bytes]
    keys: dict[int, bytes]


@dataclass(frozen=True)
class SumRecord:
    """The files of one round of a plan."""

    home: ServerHome
    plan: str
    round: int

    @property
    def settled(self) -> tuple[str, ...]:
        """The sites that may have revealed their shares for a sum of just them; none before."""
        path = self.home.listed(self.plan, self.round)
        return tuple(json.loads(path.read_bytes())) if path.exists() else ()

    def settle(self, names: Collection[str]) -> None:
        write_whole(self.home.listed(self.plan, self.round), canonical_json(list(names)))

    def keep(self, site: str, vector: bytes) -> None:
        """A vector as it came, under masks."""
        write_whole(self.home.masked(self.plan, self.round, site), vector)

    def vector(self, site: str) -> bytes:
        """Raises InputError where it was not kept."""
        return read_kept(self.home.masked(self.plan, self.round, site))

    def open(self, opened: Opened) -> None:
        """What took the masks off."""
        kept = _Opened(adverts=tuple(opened.adverts), seeds=dict(opened.seeds), keys=dict(opened.keys))
        write_whole(self.home.opened(self.plan, self.round), kept.model_dump_json().encode())

    def opened(self) -> Opened:
        """Raises InputError where it was not kept, IntegrityError where it cannot be read."""
        data = read_kept(path := self.home.opened(self.plan, self.round))
        try:
            found = _Opened.model_validate_json(data)
        except ValidationError:
            raise IntegrityError(f"{path}: cannot be read") from None
        return Opened(found.adverts, found.seeds, found.keys)


def read_kept(path: Path) -> bytes:
    """Raises InputError where the server did not keep a file."""
    try:
        return path.read_bytes()
    except OSError:
        raise InputError("is not there, so the sum cannot be done again", file=path) from None
