"""The whole road on three synthetic hospitals: export, de-identification, private training, a signed model, a note."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from safetensors.numpy import load_file

from clinical.classifier import PatientStates, set_model_weights, trained_weights
from clinical.dataset import read_dataset, split
from clinical.deid import Options, deidentify_source
from clinical.diagnosis import ConditionModel
from clinical.gateway import extract_for_care, open_note
from clinical.labels import LabelRule, LabelSource
from clinical.states import read_states
from clinical.synthetic import condition_labels, demo_hospitals, write_export
from dashboard.commands.deid import count_lines
from dashboard.commands.extract import show
from dashboard.commands.train import train_with_progress
from dashboard.console import console, progress, say, table
from federated.approval import approve
from federated.cohort import label_rule
from federated.compare import PLAIN_EPOCHS, Comparison, Row, states_in_use
from federated.plan import Plan
from federated.settings import StudySettings
from federated.site_round import plan_classifier
from federated.study import Cohort, approve_everywhere, draft_plan, register_scores
from policies.care_team import EVERY
from policies.errors import BudgetError, InputError
from policies.files import write_whole
from policies.guard import account_name, open_server, open_site
from policies.models import SignedModel
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy import care_teams

EPSILON = 7.9  # of the policy's 8
SPLIT_KEY = "confide demo"
_MARK = "this workspace was made by 'confide demo' and is made anew by the next run\n"


def run(root: Path, patients: int, workers: int) -> None:
    """Walk the road and print what a reader needs to see of each step."""
    workspace = new_workspace(root, patients)
    step(1, "three hospitals write their FHIR exports (synthetic)")
    names = write_exports(workspace, patients)
    step(2, "each hospital de-identifies its own records")
    cohorts = deidentify(workspace, names, workers)
    for cohort in cohorts:
        care_teams.add(cohort.site, EVERY, EVERY)  # nobody says who treats people who are made up
    step(3, "the hospitals train together; each adds its noise before anything leaves")
    server = open_server(workspace)
    rule = LabelRule(LabelSource.CONDITION, tuple(condition_labels()), {}, condition_labels())
    plan = draft_plan(cohorts, rule, StudySettings("demo", EPSILON, split_key=SPLIT_KEY))
    say(plan.in_words(names[0]))
    approve_everywhere(cohorts, plan)
    model = train_with_progress(workspace, server, cohorts, plan)
    step(4, "the server signed the model")
    say(f"model {model.name}, Ed25519 by '{model.signer}', weights sha256 {model.card['weights_sha256'][:16]}")
    refused(cohorts, plan)
    step(5, "what it is worth, on the held-back patients of all three (synthetic, so scores may be shown)")
    rows = compare(cohorts, plan, model)
    show_rows(rows)
    model = register_scores(workspace, server, model, {row.name: row.as_card() for row in rows})
    say(f"the card holds these scores now, so it was signed anew: model {model.name}")
    step(6, "one note of a held-back patient of north, read for care")
    show_note(workspace, cohorts[0], model)


def step(number: int, what: str) -> None:
    """A heading."""
    console.print(f"\n[bold cyan]{number}[/] [bold]{what}[/]")


def new_workspace(root: Path, patients: int) -> Workspace:
    """A fresh workspace; one of an earlier demo is replaced. Hospitals of few patients allow a small cohort.

    Raises:
        InputError: the folder holds something else.
    """
    mark = root / "DEMO"
    if mark.exists():
        shutil.rmtree(root)
    elif root.exists() and any(root.iterdir()):
        raise InputError("holds something that no demo made", "Name another folder with --workspace.", file=root)
    write_whole(mark, _MARK.encode())
    workspace = Workspace(root)
    text, fewest = default_policy_text(account_name()), min(100, patients // 2)
    text = text.replace("smallest_cohort = 100 ", f"smallest_cohort = {fewest} ")
    write_whole(workspace.policy, text.encode())
    return workspace


def write_exports(workspace: Workspace, patients: int) -> list[str]:
    """The three hospitals' raw exports."""
    hospitals = demo_hospitals(patients)
    with progress() as bar:
        task = bar.add_task("patients", total=len(hospitals) * patients)
        counts = [write_export(workspace.export(h.name), h, lambda n: bar.advance(task, n)) for h in hospitals]
    for hospital, count in zip(hospitals, counts, strict=True):
        say(f"{hospital.name}: {count.patients} patients, {count.documents} notes -> {workspace.export(hospital.name)}")
    return [hospital.name for hospital in hospitals]


def deidentify(workspace: Workspace, names: Sequence[str], workers: int) -> list[Cohort]:
    """Each hospital's records through Presidio, the roster and the rules."""
    cohorts, reports = [], []
    with progress() as bar:
        tasks = {name: bar.add_task(f"records of {name}", total=count_lines(workspace.export(name))) for name in names}
        for name in names:
            site, out = open_site(workspace, name), workspace.deidentified(name)
            advance = partial(bar.advance, tasks[name])
            report = deidentify_source(site, workspace.export(name), out, Options(workers=workers), advance)
            cohorts.append(Cohort(site, out))
            reports.append((name, report))
    rows = [
        (
            name,
            report.notes,
            sum(report.findings.values()),
            f"{report.notes / report.seconds:.1f}",
            report.manifest[:16],
        )
        for name, report in reports
    ]
    table("de-identified", ("hospital", "notes", "identifiers replaced", "notes/s", "signed manifest"), rows)
    return cohorts


def refused(cohorts: Sequence[Cohort], plan: Plan) -> None:
    """Show that the ledger refuses a second study that its budget cannot bear."""
    second = plan.model_copy(update={"study": "a second study"})
    try:
        approve(cohorts[0].site, second, cohorts[0].data)
    except BudgetError as error:
        say(f"a second study of the same size is refused before it starts: {error.message}")


def compare(cohorts: Sequence[Cohort], plan: Plan, model: SignedModel) -> list[Row]:
    """The same model trained in other ways, all scored on the same held-back patients."""
    classifier, rule = plan_classifier(plan), label_rule(plan)
    start = trained_weights(classifier)
    train = {c.site.name: read_states(c.site.home.cache(plan.digest), c.site.keys.wrapping) for c in cohorts}
    with progress() as bar:
        task = bar.add_task("reading held-back notes", total=len(cohorts))
        held_back: dict[str, Mapping[str, PatientStates]] = {}
        for cohort in cohorts:
            data = split(read_dataset(cohort.data, rule), plan.split_key, plan.held_back)[1]
            held_back[cohort.site.name] = states_in_use(data, classifier)
            bar.advance(task)
        comparison = Comparison(plan, classifier, held_back)
        seconds, epsilon = float(model.card["training_seconds"]), model.card["epsilon"]
        set_model_weights(classifier, load_file(model.weights))
        rows = [comparison.row("federated, private", trained_weights(classifier), max(epsilon.values()), seconds)]
        task = bar.add_task("each hospital alone", total=len(cohorts))
        for site, states in train.items():
            rows.append(comparison.alone(site, states, start, epsilon[site]))
            bar.advance(task)
        everyone = [states for own in train.values() for states in own.values()]
        task = bar.add_task("pooled, epochs", total=PLAIN_EPOCHS)
        rows.append(comparison.pooled(everyone, start, lambda: bar.advance(task)))
    return [*rows, comparison.commonest(everyone)]


def show_rows(rows: Sequence[Row]) -> None:
    """The table of the README."""
    table(
        "24 conditions, macro-F1 and precision at 1 on held-back patients",
        ("trained on", "macro-F1", "precision at 1", "epsilon", "seconds"),
        [
            (row.name, f"{row.macro_f1:.3f}", f"{row.precision_at_1:.3f}", row.epsilon, f"{row.seconds:.1f}")
            for row in rows
        ],
    )


def show_note(workspace: Workspace, cohort: Cohort, signed: SignedModel) -> None:
    """Extract from the first note of the first held-back patient, as the care team would see it."""
    model = ConditionModel(signed)
    data = split(read_dataset(cohort.data, model.rule), model.split_key, model.held_back)[1]
    patient = data.patients[0]
    note = open_note(cohort.site, patient, data.notes[patient][0].record)
    console.rule("the note, as the care team sees it", align="left")
    say(note.text)
    console.rule()
    source = {"patient": note.patient, "record": note.record}
    show(note.text, extract_for_care(cohort.site, note.text, model, source))
