"""What a site answers to the server's questions: everything but the order to train, and none of it loads torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from federated.approval import approved, in_force
from federated.messages import Fields
from federated.proposals import count_for, is_approved, keep_proposal
from federated.questions import DRAFT, PROPOSAL, RECEIPT, STANDING
from federated.secagg.messages import SumStep
from federated.site_receipt import check_receipt
from federated.site_sum import SiteSum
from federated.withdrawal import refuse_stopped
from federated.witnessing import Question
from federated.witnessing import answer as about_tree_heads
from policies.guard import Site

Answer = Callable[[Site, str, Fields], Fields]


def _witness(question: Question, site: Site, plan: str, asked: Fields) -> Fields:
    return about_tree_heads(site, approved(site, plan).plan, question, asked)


def _sum(step: SumStep, site: Site, plan: str, asked: Fields) -> Fields:
    agreed = in_force(site, plan).plan
    refuse_stopped(site, plan)
    return SiteSum(site, agreed, asked["round"], asked["attempt"]).answer(step, asked)


def _receipt(site: Site, plan: str, asked: Fields) -> Fields:
    check_receipt(site, approved(site, plan).plan, asked["round"], asked["document"])
    return {}


def _draft(site: Site, plan: str, asked: Fields) -> Fields:
    return {"patients": count_for(site, plan, asked["document"])}


def _proposal(site: Site, plan: str, asked: Fields) -> Fields:
    keep_proposal(site, plan, asked["document"])
    return {}


def _standing(site: Site, plan: str, asked: Fields) -> Fields:
    return {"approved": int(is_approved(site, plan))}


ANSWERS: Mapping[str, Answer] = {
    **{question.value: partial(_witness, question) for question in Question},
    **{step.value: partial(_sum, step) for step in SumStep},
    RECEIPT: _receipt,
    DRAFT: _draft,
    PROPOSAL: _proposal,
    STANDING: _standing,
}
