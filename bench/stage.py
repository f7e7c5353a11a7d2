"""The workspace that the pictures show: the demo's hospitals, and what the people of one of them did there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clinical.diagnosis import ConditionModel
from clinical.evaluation.calibration import calibrate
from clinical.feedback import Feedback, Target, Verdict, give, reader_version
from clinical.gateway import extract_for_care, open_note
from clinical.labels import LabelRule, LabelSource
from clinical.patients import notes_of
from clinical.review import Review, draw, next_note, sign, submit
from clinical.synthetic import condition_labels
from dashboard.commands.train import train_with_progress
from dashboard.demo import SPLIT_KEY, deidentify, new_workspace, write_exports
from dashboard.signin import accounts
from federated.proposals import keep_proposal, offer, write_proposal
from federated.provision.documents import read_invitation
from federated.provision.founding import admit, found, invite, read_roster
from federated.provision.membership import confirm, make_node, reply_to
from federated.settings import StudySettings
from federated.study import Cohort, approve_everywhere, draft_plan
from policies.access import Purpose
from policies.accounts import SignInRefused
from policies.guard import Site, open_server, open_site
from policies.models import SignedModel
from policies.policy import Role
from policies.serving import choose
from policies.workspace import Workspace
from privacy import care_teams
from privacy.consent import refusal
from privacy.consent_book import record_consents
from privacy.vault.break_glass import review as review_glass
from privacy.vault.break_glass import start
from privacy.vault.disclosures import record
from privacy.vault.originals import Vault
from privacy.vault.person import people_of

SITE = "north"
PASSWORD = "a long walk home in rain"  # of everybody on the stage, and of nobody else
PATIENT = "Inés Fuentes"  # one of the demo's made-up people: four notes, of heart failure among others
_PATIENTS, _PORT = 150, 9392  # of each hospital; of the federation's server
_PILOT, _STUDY, _PROPOSED = 1.0, 5.5, 1.0  # epsilon, of the policy's 8


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in on a picture.

    Attributes:
        purpose: how the words of the purpose of use begin that is chosen.
    """

    account: str
    role: Role
    purpose: str


CLINICIAN = Person("anna.brandt", Role.CLINICIAN, "treatment")
COLLEAGUE = Person("ben.osei", Role.CLINICIAN, "treatment")
OFFICER = Person("clara.moreau", Role.COMPLIANCE_OFFICER, "hospital operations")
IT = Person("dev.keller", Role.HOSPITAL_IT, "hospital operations")
STEWARD = Person("eva.ortiz", Role.DATA_STEWARD, "research")
PEOPLE = (CLINICIAN, COLLEAGUE, OFFICER, IT, STEWARD)


def make(root: Path) -> Workspace:
    """The whole stage: three made-up hospitals, and what one of them shows on its pages. It takes some minutes.

    Raises:
        InputError: the folder holds something that no demo made.
    """
    workspace = new_workspace(root, _PATIENTS)
    _appoint(workspace)
    cohorts = deidentify(workspace, write_exports(workspace, _PATIENTS), 1)
    patient, refusing, *others = patients(open_site(workspace, SITE))
    _appoint_teams(workspace, patient, refusing, others)
    federate(workspace)
    _train(workspace, cohorts)
    _propose(workspace, cohorts)
    _care(workspace, [patient, *others[:3]])
    _emergency(workspace, refusing)
    officer = _as(workspace, OFFICER)
    record(officer, patient, recipient="State cancer registry", what="report of a case", purpose="HLEGAL")
    record(officer, patient, recipient="Probate court", what="records on a court order", purpose="HLEGAL")
    _certify(workspace)
    return workspace


def _appoint(workspace: Workspace) -> None:
    """Roles in the policy file, and accounts for them."""
    text = workspace.policy.read_text("utf-8")
    roles = "".join(f'"{one.account}" = ["{one.role}"]\n' for one in PEOPLE)
    workspace.policy.write_text(text.replace("\n[people]\n", f"\n[people]\n{roles}"), "utf-8")
    for one in PEOPLE:
        accounts(workspace).add(one.account, PASSWORD)


def _appoint_teams(workspace: Workspace, patient: str, refusing: str, others: list[str]) -> None:
    """Who treats whom; the patient who refused is in the list of the clinician who breaks the glass."""
    site = _as(workspace, IT)
    for one, treated in ((CLINICIAN, [patient, *others[:9]]), (COLLEAGUE, [patient, refusing, *others[:5]])):
        for own in treated:
            care_teams.add(site, own, one.account)


def federate(workspace: Workspace) -> None:
    """A federation of the hospitals of this workspace, whose keys were compared."""
    server = open_server(workspace)
    sites = [open_site(workspace, home.name) for home in workspace.sites()]
    found(server, "heart", "localhost", _PORT)
    letter = workspace.root / "letter"
    for site in sites:
        make_node(site)
        letter.write_bytes(invite(server, site.name))
        letter.write_bytes(reply_to(site, read_invitation(letter)))
        admit(server, letter)
    for site in sites:
        letter.write_bytes(invite(server, site.name))
        confirm(site, workspace, read_invitation(letter), read_roster(server).fingerprint)
    letter.unlink()


@contextmanager
def nodes(workspace: Workspace) -> Iterator[None]:
    """The federation's server and the hospital's node, running."""
    call = "import sys; sys.argv[0] = 'confide'; from dashboard.cli import main; main()"

    def confide(*words: str) -> None:
        subprocess.run([sys.executable, "-c", call, *words, "--workspace", str(workspace.root)], check=True)

    confide("server", "start")
    confide("site", "start", "--site", SITE)
    try:
        yield
    finally:
        confide("site", "stop", "--site", SITE)
        confide("server", "stop")


def _train(workspace: Workspace, cohorts: Sequence[Cohort]) -> None:
    """A short training and a long one; clinicians got the first model, then the second, which is calibrated."""
    site, server, models = _as(workspace, IT), open_server(workspace), list[SignedModel]()
    for settings in (_settings("pilot", _PILOT, rounds=10), _settings("heart", _STUDY, rounds=30)):
        plan = draft_plan(cohorts, _rule(), settings)
        approve_everywhere(cohorts, plan)
        models.append(train_with_progress(workspace, server, cohorts, plan))
        choose(site, workspace, models[-1])
    calibrate(cohorts[0].site, ConditionModel(models[-1]), cohorts[0].data)


def _propose(workspace: Workspace, cohorts: Sequence[Cohort]) -> None:
    """A plan that waits for the data steward."""
    plan, site = draft_plan(cohorts, _rule(), _settings("winter", _PROPOSED, rounds=20)), cohorts[0].site
    offer(site, cohorts[0].data, counts=1)
    keep_proposal(site, plan.digest, write_proposal(open_server(workspace).keys, plan))


def _settings(study: str, epsilon: float, rounds: int) -> StudySettings:
    return StudySettings(study, epsilon, rounds=rounds, split_key=SPLIT_KEY)


def _rule() -> LabelRule:
    return LabelRule(LabelSource.CONDITION, tuple(condition_labels()), {}, condition_labels())


def _care(workspace: Workspace, treated: Sequence[str]) -> None:
    """Two clinicians read notes, and one says what was right and wrong in them."""
    for one in (CLINICIAN, COLLEAGUE):
        site = _as(workspace, one)
        for patient in treated:
            for name in notes_of(site, patient)[:2]:
                note = open_note(site, patient, name)
                mentions = extract_for_care(site, note.text, None, {"patient": patient, "record": name}).facts.mentions
                for number, own in enumerate(mentions[:3] if one is CLINICIAN else ()):
                    verdict = Verdict.REJECTED if number == 1 else Verdict.ACCEPTED
                    reason = "it is a heading" if verdict is Verdict.REJECTED else ""
                    target = (Target.ENTITY, Target.ASSERTION)[number % 2]
                    give(site, Feedback(patient, name, target, verdict, own.start, own.end, own.text,
                                        reader_version(), reason=reason))  # fmt: skip


def _emergency(workspace: Workspace, patient: str) -> None:
    """A patient who refused, and two clinicians who broke the glass; one of these was reviewed."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record_consents(_as(workspace, OFFICER), {patient: refusal([Purpose.TREATMENT], now)}, "FHIR Consent")
    reasons = {
        CLINICIAN: "Found unconscious at the bus stop; allergies and anticoagulation unknown.",
        COLLEAGUE: "Transferred to intensive care; latest potassium needed before dialysis.",
    }
    for one, reason in reasons.items():
        site = _as(workspace, one)
        grant = start(site, patient, reason, 30)
        open_note(site, patient, notes_of(site, patient)[0])
        if one is CLINICIAN:
            review_glass(_as(workspace, OFFICER), grant.id, "Justified: emergency department, one note, eight minutes.")


def _certify(workspace: Workspace) -> None:
    """A sample that was read and signed, and one that is being read."""
    officer = _as(workspace, OFFICER)
    done, open_ = (draw(officer, workspace.deidentified(SITE), notes) for notes in (40, 30))
    for one in (CLINICIAN, COLLEAGUE):
        _judge(_as(workspace, one), done, 40)
    sign(officer, done)
    _judge(_as(workspace, CLINICIAN), open_, 30)
    _judge(_as(workspace, COLLEAGUE), open_, 11)


def _judge(site: Site, review: Review, notes: int) -> None:
    for _ in range(notes):
        if note := next_note(site, review):
            submit(site, review, note.record, [])


def patients(site: Site) -> list[str]:
    """Pseudonyms: of the one whom the pictures show, then of the others with most notes, by name."""
    vault = Vault(site.home.vault, site.keys.wrapping)
    counts = vault.counts()
    people = {own: person.name for own, person in people_of(vault).items()}
    return sorted(people, key=lambda own: (people[own] != PATIENT, -counts[own], people[own]))


def lock(workspace: Workspace) -> None:
    """An account of which somebody does not know the password."""
    kept = accounts(workspace)
    for _ in range(open_site(workspace, SITE).guard.policy.signin.tries):
        with suppress(SignInRefused):
            kept.check(COLLEAGUE.account, "not the right one")


def _as(workspace: Workspace, person: Person) -> Site:
    return open_site(workspace, SITE, person.account, person.role)
