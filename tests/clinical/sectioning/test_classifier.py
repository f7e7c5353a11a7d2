from importlib.resources import files
from pathlib import Path

import pytest

from clinical.sectioning.classifier import Classifier

WEIGHTS = Path(str(files("clinical.sectioning") / "weights" / "sections.safetensors"))
TEXTS = [
    "Denies fever, chills, cough, chest pain, nausea, and vomiting.",
    "Lisinopril 10 mg daily, aspirin.",
    "He had an appendectomy in 1990. He is well.",
]


@pytest.mark.parametrize("writable", [True, False])
def test_the_kept_graph_and_pytorch_say_the_same(tmp_path, writable):
    cache = tmp_path / "cache"
    if not writable:
        cache.write_text("a file where the folder would be")
    assert Classifier(WEIGHTS, cache).label(TEXTS) == ["ros", "medications", "pastsurgical"]
    assert cache.is_dir() == writable
