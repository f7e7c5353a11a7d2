"""A hospital's side of a secure sum: what `federated.secagg` asks of it, with its state sealed on disk in between.

The state is written before an answer leaves, so a process may be killed at any point: what it said, it remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from federated.messages import Fields
from federated.parties import parties_of
from federated.plan import Plan, check_sum
from federated.secagg import SecureSite, SiteState
from federated.secagg.fields import adverts_of, fields_of, message_of
from federated.secagg.messages import Delivery, SumStep, Survivors, UnmaskRequest
from federated.secagg.survivors import verify_survivors
from federated.sum_session import session_of
from policies.errors import IntegrityError, TrainingError
from policies.files import OWNER_ONLY, write_whole
from policies.guard import Site


@dataclass(frozen=True)
class SiteSum:
    """One attempt at the sum of one round, as one site sees it."""

    site: Site
    plan: Plan
    round: int
    attempt: int

    @cached_property
    def update(self) -> NDArray[np.float32]:
        """[length], the kept noisy update; raises TrainingError where this site has none of this round."""
        path = self.site.home.update(self.plan.digest, self.round)
        if not path.exists():
            raise TrainingError(f"round {self.round}: no update was computed here yet")
        kept = load(path.read_bytes())
        return np.concatenate([kept[name].ravel() for name in sorted(kept)])

    @cached_property
    def protocol(self) -> SecureSite:
        parties = parties_of(self.site)
        session = session_of(
            self.plan,
            parties.federation,
            parties.sites,
            round_number=self.round,
            attempt=self.attempt,
            start=self.site.home.start(self.plan.digest, self.round).read_text("ascii"),
            length=len(self.update),
        )
        return SecureSite(session, self.site.keys)

    def answer(self, step: SumStep, asked: Fields) -> Fields:
        """What this site says to one of the steps; its state is on disk by then.

        Raises:
            ConfideError: as `SecureSite`.
        """
        return _STEPS[step](self, asked)

    @property
    def sent(self) -> str | None:
        """SHA-256 of the masked vector that this site sent in this attempt."""
        kept = self._kept()
        return kept.sent.hex() if kept and kept.sent and kept.attempt == self.attempt else None

    def check_list(self, inputs: Mapping[str, str], signatures: Mapping[str, str]) -> None:
        """What a receipt says went into this attempt, by site: the list that this site and enough others signed.

        Raises:
            IntegrityError: it is another list than this site signed, or too few signed it.
        """
        kept = self._kept()
        try:
            listed = {self._place(name): bytes.fromhex(digest) for name, digest in inputs.items()}
            signed = {self._place(name): bytes.fromhex(signature) for name, signature in signatures.items()}
            verify_survivors(self.protocol.session, listed, signed)
        except (ValueError, TrainingError):
            raise IntegrityError(f"round {self.round}: the receipt's list was not signed by enough sites") from None
        if kept and kept.attempt == self.attempt and kept.listed not in (None, listed):
            raise IntegrityError(f"round {self.round}: the receipt counts other vectors than this site signed for")

    def _advertise(self, asked: Fields) -> Fields:
        state, advert = self.protocol.advertise(self._kept())
        self._keep(state)
        return fields_of(advert)

    def _share(self, asked: Fields) -> Fields:
        state, shares = self.protocol.share(self._state(), adverts_of(asked))
        self._keep(state)
        return fields_of(shares)

    def _mask(self, asked: Fields) -> Fields:
        weight = float(self.plan.share(self.site.name).weight)
        state, masked = self.protocol.mask(self._state(), message_of(Delivery, asked), self.update, weight)
        self._keep(state)
        return fields_of(masked)

    def _sign(self, asked: Fields) -> Fields:
        survivors = message_of(Survivors, asked)
        state, signature = self.protocol.sign(self._state(), survivors)
        names = [self.plan.sites[place].name for place in survivors.inputs]
        check_sum(self.plan, names, self.plan.needed)  # under this policy no plan is approved that needs too few
        self._keep(state)
        return fields_of(signature)

    def _unmask(self, asked: Fields) -> Fields:
        state, reveal = self.protocol.unmask(self._state(), message_of(UnmaskRequest, asked))
        self._keep(state)
        return fields_of(reveal)

    def _place(self, name: str) -> int:
        """Raises ValueError where the plan has no such site."""
        return [share.name for share in self.plan.sites].index(name)

    @property
    def _context(self) -> str:
        return f"secure sum {self.plan.digest} {self.round}"

    def _state(self) -> SiteState:
        kept = self._kept()
        if kept is None:
            raise TrainingError(f"round {self.round}, attempt {self.attempt}: this site has advertised no keys")
        return kept

    def _kept(self) -> SiteState | None:
        path = self.site.home.sum_state(self.plan.digest, self.round)
        if not path.exists():
            return None
        return SiteState.unpack(self.site.keys.unseal(path.read_bytes(), self._context))

    def _keep(self, state: SiteState) -> None:
        sealed = self.site.keys.seal(state.pack(), self._context)
        write_whole(self.site.home.sum_state(self.plan.digest, self.round), sealed, OWNER_ONLY)


_STEPS: Mapping[SumStep, Callable[[SiteSum, Fields], Fields]] = {
    SumStep.ADVERTISE: SiteSum._advertise,
    SumStep.SHARE: SiteSum._share,
    SumStep.MASK: SiteSum._mask,
    SumStep.SIGN: SiteSum._sign,
    SumStep.UNMASK: SiteSum._unmask,
}
