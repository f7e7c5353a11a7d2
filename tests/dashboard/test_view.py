"""Numbers, sentences and drawings of the pages, without a page."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from clinical.diagnosis import Evidence, Extraction, Suggestion
from clinical.extraction import read_note
from dashboard import plots, view
from policies.errors import AccessDenied, IntegrityError, PolicyError
from policies.events import Event
from policies.guard import open_site
from policies.policy import Role
from policies.releases import GaussianRelease, PoissonSampled
from privacy.training.accounting import epsilon
from tests.dashboard.conftest import HOSTILE, NOTE, the_plan


def test_neither_view_nor_plots_brings_streamlit_or_torch():
    program = "import sys, dashboard.view, dashboard.plots; print({'streamlit', 'torch', 'spacy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"


@given(st.text("ab 1.-+=)(#*_`~$<>[]{}|&^\\!:", min_size=1).map(str.strip).filter(bool))
def test_plain_text_shows_as_itself_in_markdown(text):
    assert MarkdownIt().render(plots.plain(text)).strip() == f"<p>{escape(text, quote=False)}</p>"


@pytest.mark.parametrize("text", ["$x^2$", ":red[x]", ":smile:", "~~no~~", "|a|b|"])
def test_what_streamlit_adds_to_markdown_is_escaped_too(text):
    assert all(mark not in plots.plain(text).replace(f"\\{mark}", "") for mark in "$[]~|") and ":s" not in plots.plain(
        text
    ).replace("\\:", "")


def test_a_visitor_has_the_roles_of_the_policy_file(workspace, let):
    assert view.visitor(workspace).sites == ("north",)
    let("hospital_it")
    assert view.visitor(workspace).roles == (Role.HOSPITAL_IT,)
    let()
    with pytest.raises(PolicyError, match="no role"):
        view.visitor(workspace)


def drawn(text, *suggestions):
    return plots.note_view(text, Extraction(read_note(text), suggestions, "m"))


def test_a_note_is_escaped_and_its_mentions_are_marked_by_kind_and_status():
    html = drawn(NOTE).html
    assert escape(HOSTILE) in html and "<script" not in html and "<img" not in html
    assert '<mark class="finding negated" title="chest pain: finding, negated (by “Denies”)">chest pain</mark>' in html
    assert '<mark class="problem historical"' in html and "Hypertension<small>past</small></mark>" in html
    assert "diabetes<small>family</small></mark>" in html
    assert "frequency daily" in html and "<strong>PAST MEDICAL HISTORY</strong>" in html


def test_taking_the_marks_away_gives_the_note_back():
    import re
    from html import unescape

    first = read_note(NOTE).sentences[0]
    html = drawn(NOTE, Suggestion("I50.9", "x", 0.5, (Evidence(*first, 1.0),))).html
    bare = re.sub(r"<small>.*?</small>|<sup>.*?</sup>|<[^>]*>", "", html)
    assert unescape(bare) == NOTE


def test_conditions_quote_their_evidence_and_the_note_underlines_it():
    text = "Leg swelling for days. Denies <b>fever</b>."
    swelling, fever = read_note(text).sentences
    shown = drawn(
        text,
        Suggestion("I50.9", "Heart <failure>", 0.634, (Evidence(*swelling, 1.0),)),
        Suggestion("J18.9", "J18.9", 0.2, (Evidence(*fever, 0.5), Evidence(*swelling, 0.1))),
        Suggestion("I10", "Hypertension", 0.1, ()),
    )
    assert "1. Heart &lt;failure&gt; <code>I50.9</code>" in shown.conditions
    assert 'aria-valuenow="63"' in shown.conditions and "width: 63%" in shown.conditions
    assert "<blockquote>Denies &lt;b&gt;fever&lt;/b&gt;.</blockquote>" in shown.conditions
    assert "Hypertension" not in shown.conditions and "1 more, for which no sentence speaks" in shown.conditions
    assert "<sup>1, 2</sup>" in shown.html and "<sup>2</sup>" in shown.html
    assert "No condition reaches" in drawn(text).conditions


def test_facts_are_rows():
    rows = drawn("Denies fever.\nMEDICATIONS:\nfurosemide 40 mg daily").facts
    assert [(row["Concept"], row["Status"]) for row in rows] == [("fever", "negated"), ("furosemide", "present")]
    assert rows[1]["Attributes"] == "dose 40, unit mg, frequency daily"


def test_an_empty_note_draws():
    assert drawn("").html == '<div class="note"></div>'


def test_the_newest_run_of_a_site(workspace, site):
    spent = view.budget(site)
    run = view.training(workspace, site, spent.bookings)
    assert run and (run.done, run.size, run.digest) == ("3 of 4", "9 KB", the_plan().digest)
    assert run.losses == ((1, 1.25), (2, 1.0), (3, 0.75)) and run.seconds[0] == (1, 4.0)
    assert "2.00 times that norm" in " ".join(run.words)
    release = PoissonSampled("0.5", GaussianRelease("2.00"))
    epsilons = view.epsilon_after(spent.releases, spent.delta)
    assert epsilons == [epsilon([[release] * count], 1e-5) for count in (1, 2, 3)]
    assert spent.spent_text(epsilons).endswith(" of 8") and spent.spent_text([]) == "0.000 of 8"
    other = open_site(workspace, "river")
    assert view.training(workspace, other, view.budget(other).bookings) is None


def test_a_plan_that_was_changed_after_its_booking_is_not_shown(workspace, site):
    path = site.home.plan(the_plan().digest)
    path.write_text(path.read_text().replace('"sigma":"2.00"', '"sigma":"9.00"'))
    with pytest.raises(IntegrityError, match="another plan"):
        view.training(workspace, site, view.budget(site).bookings)


def test_a_row_that_is_being_written_is_waited_for(workspace, site):
    with site.home.scores(the_plan().digest).open("a") as stream:
        stream.write('{"round":4,"lo')
    run = view.training(workspace, site, view.budget(site).bookings)
    assert run and len(run.losses) == 3


def test_the_card_is_that_of_the_plan_and_its_signature_counts(workspace):
    model = view.model_of(workspace, the_plan().digest)
    assert model and "verified, by &#x27;server&#x27;" in plots.card_html(model, "north")
    assert view.model_of(workspace, "0" * 64) is None
    model.weights.write_bytes(b"other")
    with pytest.raises(IntegrityError):
        view.model_of(workspace, the_plan().digest)


def test_figures_hold_the_numbers():
    loss = plots.loss_plot(((1, 2.0), (2, 1.5)))
    assert list(loss.figure.data[0].y) == [2.0, 1.5] and "2.000 to 1.500" in loss.caption
    assert plots.loss_plot(()).caption.startswith("Mean loss") and "0 rounds" in plots.seconds_plot(()).caption
    spent = plots.epsilon_plot([1.0, 1.5], 8.0).figure
    assert list(spent.data[0].y) == [0.0, 1.0, 1.5] and spent.layout.shapes[0].y0 == 8.0


def test_a_log_is_verified_and_filtered(workspace, site):
    state = view.log_state(workspace, site, "north")
    assert state.verified and f"Entries: {len(state.entries)}, tree root" in state.sentence
    assert len(view.chosen_entries(state.entries, events=["budget.spent"])) == 3
    assert view.chosen_entries(state.entries, text='"ROUND":2')[0].details["round"] == 2
    assert view.chosen_entries(state.entries, actors=["nobody"]) == ()
    assert [row["Number"] for row in view.audit_rows(state.entries)][:1] == [len(state.entries) - 1]
    figure = plots.activity_plot(state.entries).figure
    assert sum(sum(trace.y) for trace in figure.data) == len(state.entries)


def test_a_log_that_was_altered_shows_no_entry(workspace, site):
    path = site.home.audit / "edge.ndjson"
    path.write_bytes(path.read_bytes().replace(b'"round":2', b'"round":7'))
    state = view.log_state(workspace, site, "north")
    assert not state.verified and state.entries == () and "altered" in state.sentence


def test_epsilon_of_the_log_is_compared_with_the_ledgers(workspace, site):
    entries = view.log_state(workspace, site, "north").entries
    check = view.epsilon_check(entries, view.budget(site))
    assert (
        check.equal
        and check.releases == 3
        and float(check.log) == pytest.approx(view.epsilon_after(view.budget(site).releases, 1e-5)[-1], abs=0.001)
    )
    fewer = [entry for entry in entries if entry.details.get("round") != 3]
    assert not (short := view.epsilon_check(fewer, view.budget(site))).equal and "NOT equal" in short.sentence


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_an_export_is_whole_and_logged_by_its_hash(workspace, site, events, form):
    entries = view.log_state(workspace, site, "north").entries
    data = view.export_audited(site.guard, "north", entries, form)
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        found = [(int(row["sequence"]), json.loads(row["details"])) for row in rows]
        assert found == [(entry.sequence, entry.details) for entry in entries]
    else:
        codes = [json.loads(line)["subtype"][-1]["code"] for line in data.splitlines()]
        assert codes == [entry.event for entry in entries]
    assert events(Event.AUDIT_EXPORTED)[-1]["sha256"] == hashlib.sha256(data).hexdigest()


def test_only_a_compliance_officer_exports(workspace, let, events):
    let("hospital_it", "clinician")
    with pytest.raises(AccessDenied):
        view.export_audited(open_site(workspace, "north").guard, "north", (), "csv")
    assert events(Event.AUDIT_EXPORTED) == [] and len(events(Event.ACCESS_DENIED)) == 1
