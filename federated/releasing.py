"""What every release of a hospital has: chance from the operating system, and its hash in the log before it leaves."""

from __future__ import annotations

from policies.errors import IntegrityError
from policies.events import Event
from policies.guard import Site
from policies.retention import logged_releases
from privacy.training.randomness import SecureRandom


def site_random(site: Site, what: str, number: int) -> SecureRandom:
    """Chance for one release, from the operating system unless the policy says UNSAFE."""
    seed = site.guard.policy.training.UNSAFE_noise_seed
    return SecureRandom() if seed is None else SecureRandom.unsafe(seed, site.name, what, number)


def log_release(site: Site, what: str, number: int, sha256: str, **in_force: str) -> None:
    """What is released leaves only with its hash in the log, and never as other bytes than those of the first time.

    Args:
        what: the plan of a round, or what was counted.
        in_force: what protects it.

    Raises:
        IntegrityError: what was kept was altered.
    """
    place = {"plan": what, "round": number}
    known = [
        entry.details["sha256"]
        for entry in logged_releases(site.home.audit, site.keys.public)
        if entry.event is Event.UPDATE_RELEASED and place.items() <= entry.details.items()
    ]
    if not known:
        site.guard.record(Event.UPDATE_RELEASED, **place, sha256=sha256, **in_force)
    elif sha256 not in known:
        raise IntegrityError(f"the kept update of round {number} is not the one that was released")
