"""The figures in the docstring are those that the recipe wrote into the card of the weights that ship."""

from __future__ import annotations

import re
from importlib.resources import files

from clinical.record import ask
from clinical.record.ask import shipped
from clinical.record.recipe.examples import Settings

CARD = files("clinical.record").joinpath("weights/reader.md").read_text("utf-8")


def test_the_figures_are_those_of_the_card() -> None:
    rows = re.findall(r"^ {4}(\S.*?)  +(0\.\d{3}) \((0\.\d{3}-0\.\d{3})\)$", ask.__doc__ or "", re.MULTILINE)
    assert len(rows) == 4
    for name, value, interval in rows:
        assert f"| {name} | {value} | {interval} |" in CARD


def test_the_card_is_of_these_weights_and_settings() -> None:
    design = shipped().reader.design
    assert f"from log-odds {design.threshold:.2f} on" in CARD
    assert f"LoRA (rank {design.rank})" in CARD
    assert f"seed {Settings().seed}: {sum(Settings().cycles)} epochs" in CARD


def test_the_weights_are_small() -> None:
    assert len(files("clinical.record").joinpath("weights/reader.safetensors").read_bytes()) < 5_000_000
