"""Certificates of what de-identification left: reviews that go on, and statements that were signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clinical.review import REVIEWERS, Progress, Review, is_signed, progress, read_certificate, reviews
from policies.access import Action, Purpose
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import Site


@dataclass(frozen=True)
class ReviewState:
    """One review, without what anybody marked in it.

    Attributes:
        statement: what was signed, its signature verified now; None while the review goes on.
    """

    review: Review
    people: tuple[Progress, ...]
    statement: Mapping[str, Any] | None

    @property
    def ready(self) -> bool:
        """Whether two accounts have judged every note."""
        return sum(one.done == one.of for one in self.people) >= REVIEWERS

    @property
    def state(self) -> str:
        """Where it stands."""
        if self.statement is not None:
            return "signed"
        return "ready to sign" if self.ready else "being read"

    @property
    def row(self) -> Mapping[str, Any]:
        """For a table."""
        one = self.review
        read = ", ".join(f"{person.reviewer} {person.done} of {person.of}" for person in self.people)
        return {
            "Review": one.id, "State": self.state, "Drawn": one.drawn_on, "Mode": one.mode,
            "Legal basis": one.legal_basis, "Notes": f"{one.sample.drawn} of {one.sample.notes}", "Read by": read,
            "Output": one.manifest[:16],
        }  # fmt: skip


def states(site: Site) -> list[ReviewState]:
    """Every review of a site, the newest first.

    Raises:
        AccessDenied: this account may not review.
        IntegrityError: a review or a certificate was edited.
    """
    return [_state(site, review) for review in reversed(reviews(site))]


def handed_out(site: Site, review: Review) -> bytes:
    """The file of a certificate; that it leaves is logged first.

    Raises:
        AccessDenied: this account may not certify.
        IntegrityError: it was edited.
    """
    site.guard.permit(Action.CERTIFY, Purpose.OPERATIONS)
    path = site.home.certificate(review.id)
    read_certificate(path, site.keys.public)
    data = path.read_bytes()
    site.guard.record(Event.PAGE_VIEWED, page="certificates", review=review.id, form="file", sha256=sha256_hex(data))
    return data


def bound_rows(statement: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What was found of each category of identifier, and how much may be left at most."""
    every = {"all": statement["all_categories"], **statement["categories"]}
    columns = {
        "Left": "leaks",
        "In notes": "notes",
        "Notes per 1,000 at most": "notes_per_1000",
        "Identifiers per 1,000 at most": "leaks_per_1000",
    }
    return [
        {"Identifier": name, **{title: line[key] for title, key in columns.items()}} for name, line in every.items()
    ]


def sentences(statement: Mapping[str, Any]) -> list[str]:
    """What a statement says and does not say."""
    every = statement["all_categories"]
    said = [
        f"{statement['sample']} of {statement['population']} notes were read by "
        f"{' and '.join(statement['reviewers'])}. With {float(statement['confidence']):.0%} confidence, at most "
        f"{every['notes_per_1000']} of 1,000 notes still hold an identifier."
    ]
    if statement["zero_support"]:
        where = statement["support_from"].split()[-1]
        said.append(f"It says nothing of {', '.join(statement['zero_support'])}: none occurred in the {where}.")
    return said


def _state(site: Site, review: Review) -> ReviewState:
    signed = is_signed(site, review)
    statement = read_certificate(site.home.certificate(review.id), site.keys.public) if signed else None
    return ReviewState(review, progress(site, review), statement)
