"""The hospital's side of one attempt: five steps, each from the state before to the state after and one message.

Write the new state before its message is sent. A step that raises sends nothing, and the site is out of the attempt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from federated.secagg.keys import pair_seed, public_of, sign_advert, verify_advert
from federated.secagg.masks import add_mask, add_pair_mask
from federated.secagg.messages import (
    Advert,
    Delivery,
    MaskedInput,
    Reveal,
    SealedShares,
    Survivors,
    SurvivorSignature,
    UnmaskRequest,
)
from federated.secagg.session import Session
from federated.secagg.shares import SHARE_BYTES, seal, split, unseal
from federated.secagg.state import Advertised, Masked, PublicPair, Revealed, Secrets, Shared, Signed, SiteState
from federated.secagg.survivors import survivors_statement, verify_survivors
from policies.errors import IntegrityError, TrainingError
from policies.keys import KeyRing

Step = TypeVar("Step", Advertised, Shared, Masked, Signed)


@dataclass(frozen=True)
class SecureSite:
    """One site in one attempt (user u in Bonawitz et al. 2017, figure 4).

    Raises:
        IntegrityError: from any step: server or another site did something that an honest one does not.
        TrainingError: from any step: too few sites, or a step out of order.
    """

    session: Session
    keys: KeyRing

    @property
    def place(self) -> int:
        """Raises IntegrityError where this site's own key is not among those of the session."""
        try:
            return self.session.sites.index(self.keys.public)
        except ValueError:
            raise IntegrityError(f"the key of '{self.keys.name}' is not the one that the federation knows") from None

    def advertise(self, before: SiteState | None = None) -> tuple[SiteState, Advert]:
        """Round 0, AdvertiseKeys: new keys, signed.

        Args:
            before: what this site kept of the last attempt of this round, if there was one.
        """
        session, secrets = self.session, Secrets.draw()
        if before and (before.plan, before.round) != (session.plan, session.round):
            raise IntegrityError(f"{session.label}: what was kept is of another round")
        if before and session.attempt <= before.attempt:
            raise IntegrityError(
                f"{session.label}: attempt {before.attempt} was begun here already, and keys serve for one attempt"
            )
        state = SiteState(
            session=session.id,
            plan=session.plan,
            round=session.round,
            attempt=session.attempt,
            revealed=before.revealed if before else (),
            step=Advertised(secrets=secrets),
        )
        return state, sign_advert(session, self.place, self.keys, secrets)

    def share(self, state: SiteState, adverts: Sequence[Advert]) -> tuple[SiteState, SealedShares]:
        """Round 1, ShareKeys: check all keys, then a share of both own secrets to each site, sealed."""
        session, me = self.session, self.place
        secrets = self._at(state, Advertised).secrets
        keys = self._checked(adverts, secrets)
        count = len(session.sites)
        mask, seed = (split(secret, session.threshold, count) for secret in (secrets.mask, secrets.seed))
        sealed = {
            other: seal(session, secrets.channel, key.channel, mask[other] + seed[other], sender=me, receiver=other)
            for other, key in keys.items()
            if other != me
        }
        after = _after(state, Shared(secrets=secrets, keys=keys, own=mask[me] + seed[me]))
        return after, SealedShares(session.id, me, sealed)

    def mask(
        self, state: SiteState, delivery: Delivery, update: NDArray[np.floating], weight: float
    ) -> tuple[SiteState, MaskedInput]:
        """Round 2, MaskedInputCollection: open the shares, then send the update under all masks.

        Args:
            update: [length], already noisy, and the same bytes in each attempt of a round.
            weight: over 0 and at most 1; it enters the sum with the update.
        """
        session, me, step = self.session, self.place, self._at(state, Shared)
        session.check(delivery.session)
        if delivery.site != me or not set(delivery.sealed) <= set(step.keys) - {me}:
            raise IntegrityError(f"{session.label}: a delivery for another site, or from one that advertised no keys")
        session.enough(len(delivery.sealed) + 1, "shared their keys")
        secrets = step.secrets
        shares = {
            other: unseal(session, secrets.channel, step.keys[other].channel, sealed, sender=other, receiver=me)
            for other, sealed in delivery.sealed.items()
        }
        vector = session.quantiser.quantise(update, weight)
        add_mask(vector, secrets.seed)
        for other in shares:
            add_pair_mask(vector, pair_seed(session, secrets.mask, step.keys[other].mask, (me, other)), me, other)
        sent = vector.astype("<u4").tobytes()
        after = _after(state, Masked(shares={**shares, me: step.own}))
        return after.model_copy(update={"sent": hashlib.sha256(sent).digest()}), MaskedInput(session.id, me, sent)

    def sign(self, state: SiteState, survivors: Survivors) -> tuple[SiteState, SurvivorSignature]:
        """Round 3, ConsistencyCheck: sign one list of survivors; asked again for the same list, sign it again.

        A site that revealed shares for a list in an earlier attempt of the round signs for no other: the difference of
        two sums would be the updates of those who stand in one list alone.
        """
        session, me = self.session, self.place
        session.check(survivors.session)
        if isinstance(state.step, Signed):
            step: Masked | Signed = self._at(state, Signed)
            if dict(survivors.inputs) != state.step.survivors:
                raise IntegrityError(f"{session.label}: the server shows a second list of survivors")
        else:
            step = self._at(state, Masked)
            self._check_survivors(survivors.inputs, step, state)
        signature = self.keys.sign(survivors_statement(session, survivors.inputs))
        after = _after(state, Signed(shares=step.shares, survivors=dict(survivors.inputs)))
        return after, SurvivorSignature(session.id, me, signature)

    def unmask(self, state: SiteState, request: UnmaskRequest) -> tuple[SiteState, Reveal]:
        """Round 4, Unmasking: of each survivor the share of its seed, of each dropout the share of its mask key.

        Only against the signatures of at least `threshold` sites on the list that this site signed itself.
        """
        session, step = self.session, self._at(state, Signed)
        session.check(request.session)
        self._check_request(request, step)
        verify_survivors(session, step.survivors, request.signatures)
        keys = {owner: step.shares[owner][:SHARE_BYTES] for owner in request.keys_of}
        seeds = {owner: step.shares[owner][SHARE_BYTES:] for owner in request.seeds_of}
        after = _after(state, Revealed(survivors=step.survivors)).model_copy(
            update={"revealed": tuple(sorted(step.survivors))}
        )
        return after, Reveal(session.id, self.place, seeds, keys)

    def _at(self, state: SiteState, step: type[Step]) -> Step:
        if state.session != self.session.id:
            raise IntegrityError(f"{self.session.label}: what this site kept is of another session")
        if not isinstance(state.step, step):
            raise TrainingError(f"{self.session.label}: a message out of order, this site has so far {state.step.done}")
        return state.step

    def _checked(self, adverts: Sequence[Advert], secrets: Secrets) -> dict[int, PublicPair]:
        """U1: enough sites, each once, signed, with keys that nobody else has, and the own ones as they were sent."""
        session = self.session
        for advert in adverts:
            verify_advert(session, advert)
        keys = {advert.site: PublicPair(channel=advert.channel, mask=advert.mask) for advert in adverts}
        every = [key for pair in keys.values() for key in (pair.channel, pair.mask)]
        if len(set(every)) < 2 * len(adverts):
            raise IntegrityError(f"{session.label}: one key is advertised twice")
        if keys.get(self.place) != PublicPair(channel=public_of(secrets.channel), mask=public_of(secrets.mask)):
            raise IntegrityError(f"{session.label}: the server does not hand on the keys that this site advertised")
        session.enough(len(keys), "advertised keys")
        return keys

    def _check_survivors(self, inputs: Mapping[int, bytes], step: Masked, state: SiteState) -> None:
        label, revealed = self.session.label, state.revealed
        if inputs.get(self.place) != state.sent:
            raise IntegrityError(f"{label}: the list of survivors does not hold this site's input as it was sent")
        if not set(inputs) <= set(step.shares):
            raise IntegrityError(f"{label}: the list of survivors names a site that shared no keys")
        self.session.enough(len(inputs), "sent their masked input")
        if revealed and set(inputs) != set(revealed):
            raise IntegrityError(
                f"{label}: shares were revealed for other survivors in an earlier attempt, and the difference of two "
                "sums would show the updates of single sites",
                "This round can only be repeated with the same survivors.",
            )

    def _check_request(self, request: UnmaskRequest, step: Signed) -> None:
        label, seeds, keys = self.session.label, set(request.seeds_of), set(request.keys_of)
        if both := sorted(seeds & keys):
            name = self.session.site(both[0]).name
            raise IntegrityError(
                f"{label}: the server asks for both shares of '{name}', which would lay its update bare"
            )
        if seeds != set(step.survivors) or keys != set(step.shares) - seeds:
            raise IntegrityError(f"{label}: the server asks for other shares than those of the list that was signed")


def _after(state: SiteState, step: Shared | Masked | Signed | Revealed) -> SiteState:
    return state.model_copy(update={"step": step})
