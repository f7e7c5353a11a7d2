"""What a site keeps between the messages of one attempt, as data that can be sealed and stored.

A site may run each step in a new process, so its state is a value: `pack` it, seal it with the site's own key, write
it, and only then send the answer that came with it. A secret leaves the state as soon as no later step needs it.
"""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.errors import IntegrityError

_SECRET_BYTES = 32
_Hidden = Annotated[bytes, Field(repr=False)]
_HiddenByPlace = Annotated[dict[int, bytes], Field(repr=False)]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class Secrets(_Kept):
    """A site's secrets of one attempt, 32 bytes each.

    Attributes:
        channel, mask: X25519 private keys; c_u^SK and s_u^SK in Bonawitz et al. 2017, figure 4.
        seed: of the self-mask; b_u in the paper.
    """

    channel: _Hidden
    mask: _Hidden
    seed: _Hidden

    @classmethod
    def draw(cls) -> Secrets:
        """New ones from the operating system; any 32 bytes are an X25519 key (RFC 7748, section 5)."""
        return cls(channel=os.urandom(_SECRET_BYTES), mask=os.urandom(_SECRET_BYTES), seed=os.urandom(_SECRET_BYTES))


class PublicPair(_Kept):
    """The public keys that another site advertised."""

    channel: bytes
    mask: bytes


class Advertised(_Kept):
    """After round 0."""

    done: Literal["advertised keys"] = "advertised keys"
    secrets: Secrets


class Shared(_Kept):
    """After round 1: the advertised keys (U1), and the shares of the own secrets that the site keeps itself."""

    done: Literal["shared keys"] = "shared keys"
    secrets: Secrets
    keys: dict[int, PublicPair]
    own: _Hidden


class Masked(_Kept):
    """After round 2: the shares of each site that shared (U2)."""

    done: Literal["sent its masked input"] = "sent its masked input"
    shares: _HiddenByPlace


class Signed(_Kept):
    """After round 3: the one list of survivors that this site signed in this attempt."""

    done: Literal["signed the survivors"] = "signed the survivors"
    shares: _HiddenByPlace
    survivors: dict[int, bytes]


class Revealed(_Kept):
    """After round 4: nothing is left to reveal; the list stays, to be compared with the receipt."""

    done: Literal["revealed its shares"] = "revealed its shares"
    survivors: dict[int, bytes]


class SiteState(_Kept):
    """One site in one attempt.

    Attributes:
        session: id of the session.
        sent: SHA-256 of the masked input that was sent in this attempt; empty before round 2.
        revealed: the survivors for which this site revealed shares, in this or an earlier attempt of this round;
            empty where it never did. In no attempt of the round does it sign for others.
    """

    session: bytes
    plan: str
    round: int
    attempt: int
    sent: bytes = b""
    revealed: tuple[int, ...] = ()
    step: Annotated[Advertised | Shared | Masked | Signed | Revealed, Field(discriminator="done")]

    @property
    def listed(self) -> dict[int, bytes] | None:
        """The list of survivors that this site signed in this attempt, if it signed one."""
        return self.step.survivors if isinstance(self.step, Signed | Revealed) else None

    def pack(self) -> bytes:
        """JSON with secrets in it: seal it before it is written."""
        return self.model_dump_json().encode()

    @classmethod
    def unpack(cls, data: bytes) -> SiteState:
        """Raises IntegrityError where the data is no state."""
        try:
            return cls.model_validate_json(data)
        except ValidationError:
            raise IntegrityError("what was kept of a round of secure aggregation cannot be read") from None
