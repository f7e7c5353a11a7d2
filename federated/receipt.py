"""The receipt of a round: hashes of what went in and of the model that came out, signed by the server.

By it a site sees that its own update was counted once, and that the next round starts from that model. A site believes
one receipt a round. That others hold the same, a site sees under secure aggregation alone: there the receipt's list is
the one that the sites signed, and those that start from another model refuse each other's keys. Under the other rules a
server could sign two, and only sites that compare theirs would see it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from policies.errors import IntegrityError
from policies.keys import KeyRing, PublicKey
from policies.policy import Aggregation
from policies.signed import signed, verified

_KIND = "receipt"


class Receipt(BaseModel):
    """What the server says of a round.

    Attributes:
        attempt: at a secure sum; 0 where aggregation is not secure.
        start, model: SHA-256 of the weights before and after.
        inputs: SHA-256 of what each site sent: its update, or the vector under masks.
        signatures: of sites over the list of survivors, in hexadecimal, where aggregation is secure.
        shortened, left_out: sites whose update was over its norm bound, or not used by a robust rule.
        sensitivity: the most that one patient of each site moves the aggregate, in L2 norm, as a decimal string.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: str
    round: int
    attempt: int
    aggregation: str
    start: str
    inputs: dict[str, str]
    model: str
    signatures: dict[str, str] = {}
    shortened: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    sensitivity: dict[str, str] = {}

    @property
    def outcome(self) -> Receipt:
        """What no second receipt of a round may change: a secure sum that is done again has other masks alone."""
        if self.aggregation != Aggregation.SECURE:
            return self
        return self.model_copy(update={"attempt": 0, "inputs": dict.fromkeys(self.inputs, ""), "signatures": {}})


def write_receipt(keys: KeyRing, receipt: Receipt) -> bytes:
    return signed(keys, _KIND, receipt.model_dump(mode="json"))


def read_receipt(key: PublicKey, document: bytes) -> Receipt:
    """Raises IntegrityError where it is no receipt, or this key did not sign it."""
    try:
        return Receipt.model_validate(verified(document, _KIND, key))
    except ValidationError:
        raise IntegrityError("a receipt of another version") from None
