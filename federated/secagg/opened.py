"""What takes the masks off a sum: the secrets of an attempt that was unmasked, each checked against what was signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from federated.secagg.keys import commitment, pair_seed, public_of, verify_advert
from federated.secagg.masks import take_mask, take_pair_mask
from federated.secagg.messages import Advert, ByPlace
from federated.secagg.quantise import Total, Words
from federated.secagg.session import Session
from policies.errors import IntegrityError


@dataclass(frozen=True)
class Opened:
    """What an attempt laid open, and no more than its sum needs: of each site one of two secrets, never both.

    Attributes:
        adverts: of all that advertised, signed by them.
        seeds: of the self-masks of the survivors; b_u in Bonawitz et al. 2017, figure 4.
        keys: the mask keys of those that dropped out after sharing; s_u^SK.
    """

    adverts: Sequence[Advert]
    seeds: ByPlace
    keys: ByPlace

    def total(self, session: Session, masked: Words) -> Total:
        """Take away all masks that are left in the sum of the survivors' masked vectors, [length + 1], and read it.

        Raises:
            IntegrityError: a site did not sign what it advertised, or a secret is not the one behind it.
        """
        words, adverts = masked.copy(), self._adverts(session)
        for survivor, seed in self.seeds.items():
            if survivor not in adverts or commitment(session, survivor, seed) != adverts[survivor].commitment:
                raise _bad_shares(session, survivor)
            take_mask(words, seed)
        for dropped, key in self.keys.items():
            if dropped not in adverts or public_of(key) != adverts[dropped].mask:
                raise _bad_shares(session, dropped)
            for survivor in self.seeds:
                seed = pair_seed(session, key, adverts[survivor].mask, (dropped, survivor))
                take_pair_mask(words, seed, survivor, dropped)
        return session.quantiser.total(words, tuple(sorted(self.seeds)))

    def _adverts(self, session: Session) -> Mapping[int, Advert]:
        for advert in self.adverts:
            verify_advert(session, advert)
        return {advert.site: advert for advert in self.adverts}


def _bad_shares(session: Session, owner: int) -> IntegrityError:
    return IntegrityError(
        f"{session.label}: the shares of '{session.site(owner).name}' do not give back what it advertised; it or a "
        "site that revealed them sent a wrong one"
    )
