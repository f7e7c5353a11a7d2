"""The ledger of one hospital with its accountant: what its patients were exposed to, under its own policy."""

from __future__ import annotations

from policies.guard import Site
from policies.ledger import Ledger
from privacy.accounting import epsilon


def open_ledger(site: Site) -> Ledger:
    """The site's own budget."""
    caps = site.guard.policy.training
    return Ledger(site.home.ledger_url, epsilon, epsilon=caps.epsilon, delta=caps.delta)
