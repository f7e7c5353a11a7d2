import json

import pytest
from typer.testing import CliRunner

from dashboard.commands.evaluate import app

KIT = "1\t \tfever\tShe denies FEVER.\tNegated\tRecent\tPatient\n2\t \tcough\tA COUGH.\tAffirmed\tRecent\tPatient\n"
NOTES = 'note\n"CHIEF COMPLAINT\n\nCough.\n"\n'


@pytest.mark.parametrize(
    ("command", "text", "name", "score"),
    [("assertions", KIT, "statuses", "absent"), ("sections", NOTES, "layouts", "inline")],
)
def test_scores_are_printed_as_a_table_and_as_json(tmp_path, command, text, name, score):
    corpus = tmp_path / "corpus"
    corpus.write_text(text)
    shown = CliRunner().invoke(app, [command, "--corpus", str(corpus)])
    assert (shown.exit_code, score in shown.output) == (0, True)
    printed = json.loads(CliRunner().invoke(app, [command, "--corpus", str(corpus), "--json"]).output)
    assert printed[name][score]["f1"] == 1.0
