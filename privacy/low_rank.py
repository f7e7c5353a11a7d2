"""What is trained beside an encoder that stays as it is: LoRA (Hu et al. 2021) and a head, kept as one small file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations

from policies.errors import IntegrityError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class LowRank(nn.Module):
    """LoRA as a parametrization, `W + 2 B A`: once for a step and not once for a token, which is four times as fast."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.empty(rank, weight.shape[1]).normal_(std=rank**-0.5))
        self.b = nn.Parameter(torch.zeros(weight.shape[0], rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + 2.0 * self.b @ self.a


def add_low_rank(modules: Iterable[nn.Module], rank: int) -> None:
    """Give each linear layer among modules a LoRA of its own."""
    for module in [own for own in modules if isinstance(own, nn.Linear)]:
        register_parametrization(module, "weight", LowRank(module.weight, rank))


class Adapted(nn.Module):
    """A network around an encoder that is not trained itself."""

    encoder: nn.Module

    def trained(self) -> dict[str, nn.Parameter]:
        """What is saved: LoRA and what stands beside the encoder, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def save(self, design: DataclassInstance, path: Path) -> None:
        """Write what was trained, in half precision, with the design in the header."""
        from safetensors.torch import save_file

        tensors = {name: parameter.detach().half().contiguous() for name, parameter in self.trained().items()}
        beside = path.with_suffix(".part")
        save_file(tensors, beside, metadata={"design": json.dumps(asdict(design), sort_keys=True)})
        beside.replace(path)

    def fill(self, tensors: Mapping[str, Tensor], name: str, kind: str) -> None:
        """Take what was trained from the tensors of a file.

        Args:
            name, kind: of the file and of what it should hold, for the error.

        Raises:
            IntegrityError: names or shapes are not this network's.
        """
        own = self.trained()
        if {key: tuple(value.shape) for key, value in own.items()} != {k: tuple(v.shape) for k, v in tensors.items()}:
            raise IntegrityError(f"{name} holds another {kind} than it says", "Install Confide again.")
        with torch.no_grad():
            for key, parameter in own.items():
                parameter.copy_(tensors[key])

    def merge(self) -> None:
        """Add LoRA to the encoder's weights for good."""
        for module in list(self.encoder.modules()):
            if hasattr(module, "parametrizations"):
                remove_parametrizations(module, "weight", leave_parametrized=True)
        self.requires_grad_(False)
