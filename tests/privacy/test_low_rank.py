"""LoRA beside an encoder that stays as it is, and the file of what was trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from policies.errors import IntegrityError
from privacy.low_rank import Adapted, LowRank, add_low_rank


@dataclass(frozen=True)
class Plan:
    rank: int = 2


class Small(Adapted):
    def __init__(self, rank: int = 2) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4)).requires_grad_(False)
        add_low_rank(self.encoder.modules(), rank)
        self.head = nn.Linear(4, 3)

    def forward(self, given: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(given))
        return logits


def learned() -> Small:
    """A network whose LoRA is no longer nothing."""
    network = Small()
    with torch.no_grad():
        for parameter in network.trained().values():
            parameter.normal_(std=0.5)
    return network


def test_lora_starts_as_nothing_and_is_all_that_is_trained_of_the_encoder() -> None:
    network, given = Small(), torch.randn(7, 6)
    before = network(given)
    with torch.no_grad():
        for name, parameter in network.trained().items():
            if name.endswith(".a"):
                parameter.normal_()  # B is zero
    assert torch.equal(before, network(given))
    assert {name.split(".")[0] for name in network.trained()} == {"encoder", "head"}
    assert all(".0.a" in name or ".0.b" in name for name in network.trained() if name.startswith("encoder"))


def test_adding_lora_to_the_weights_changes_nothing_that_is_read() -> None:
    network, given = learned(), torch.randn(7, 6)
    before = network(given)
    network.merge()
    assert torch.allclose(before, network(given), atol=1e-6)
    assert not any(isinstance(module, LowRank) for module in network.modules())
    assert network.trained() == {}


def test_a_file_gives_back_what_was_saved_and_says_its_design(tmp_path: Path) -> None:
    network, given = learned(), torch.randn(7, 6)
    network.save(Plan(), tmp_path / "own.safetensors")
    with safe_open(tmp_path / "own.safetensors", "pt") as opened:
        assert opened.metadata() == {"design": '{"rank": 2}'}
    again = Small()
    frozen = {name: value for name, value in network.state_dict().items() if name not in network.trained()}
    again.load_state_dict(frozen, strict=False)
    again.fill(load_file(tmp_path / "own.safetensors"), "own.safetensors", "network")
    assert torch.allclose(network(given), again(given), atol=0.02)  # half precision
    assert [path.name for path in tmp_path.iterdir()] == ["own.safetensors"]


@pytest.mark.parametrize("rank", [1, 3])
def test_another_shape_is_refused_and_nothing_of_it_is_taken(rank: int) -> None:
    network = learned()
    before = {name: value.clone() for name, value in network.trained().items()}
    with pytest.raises(IntegrityError, match=r"^own\.safetensors holds another network than it says"):
        network.fill(dict(Small(rank).trained()), "own.safetensors", "network")
    assert all(torch.equal(before[name], value) for name, value in network.trained().items())
