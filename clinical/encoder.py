"""The base encoder, cut in two: a frozen trunk that runs once, and a tail with LoRA and a head that is trained.

LoRA's A matrices come from the plan's seed and stay frozen, only B and the head are trained (FFA-LoRA, Sun et al.
2024): an average of B's is then the average of the updates, and Opacus' hooks give exact gradients for each patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from policies.errors import InputError
from privacy.encoders import EncoderFiles, load_encoder

_LORA_TARGETS = ("query", "value", "q_lin", "v_lin")  # BERT and RoBERTa; DistilBERT


class Trunk(nn.Module):
    """Embeddings and frozen layers: token ids `[B, L]` and mask `[B, L]` to hidden states `[B, L, D]`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @torch.inference_mode()
    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state


class Tail(nn.Module):
    """The trained end: last layers with LoRA, mean over tokens, unit length, linear head.

    Hidden states `[B, L, D]` and mask `[B, L]` to logits `[B, K]`.
    """

    scale = 8.0  # unit vectors would need large weights, and large weights many private steps

    def __init__(self, layers: list[nn.Module], width: int, labels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(width, labels)
        with torch.no_grad():
            # Small and not zero: LoRA's gradient goes through the head and would vanish with it.
            self.head.weight.normal_(0.0, 0.01, generator=generator)
            self.head.bias.zero_()

    def features(self, states: Tensor, mask: Tensor) -> Tensor:
        """Mean of the token states, at unit length: `[B, D]`."""
        blocked = torch.finfo(states.dtype).min
        additive = (1.0 - mask[:, None, None, :].to(states.dtype)) * blocked
        for layer in self.layers:
            states = _hidden(layer(states, additive))
        weights = mask[:, :, None].to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        return nn.functional.normalize(mean, dim=-1)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.features(states, mask) * self.scale)

    def trained(self) -> dict[str, nn.Parameter]:
        """What travels: LoRA's B matrices and the head, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}


@dataclass(frozen=True)
class Classifier:
    """A tokenizer, a trunk and a tail that belong together."""

    tokenizer: Any
    trunk: Trunk
    tail: Tail


def build_classifier(
    files: EncoderFiles, *, labels: int, trained_layers: int, rank: int, scale: float, seed: int
) -> Classifier:
    """Load an encoder and cut it below the lowest trained layer.

    Args:
        labels: number of logits.
        trained_layers: how many of the last layers carry LoRA.
        rank: of LoRA.
        scale: by which LoRA's product is multiplied. A small one keeps the noise on B from drowning the head.
        seed: of LoRA's A and of the head's start; the same seed gives the same weights everywhere.

    Raises:
        InputError: the encoder is of no known family, or has too few layers.
    """
    from peft import LoraConfig, get_peft_model

    tokenizer, model = load_encoder(files)
    layers = _layer_list(model)
    if not 0 < trained_layers <= len(layers):
        raise InputError(f"{trained_layers} trained layers where the encoder has {len(layers)}")
    depth = len(layers) - trained_layers
    config = LoraConfig(
        r=rank,
        lora_alpha=scale * rank,
        lora_dropout=0.0,
        bias="none",
        target_modules=r".*\.(" + "|".join(_LORA_TARGETS) + r")",
        layers_to_transform=None,
    )
    last = nn.ModuleList(layers[depth:])
    adapted = get_peft_model(_Wrap(last), config).base_model.model.layers
    del layers[depth:]
    generator = torch.Generator().manual_seed(seed)
    tail = Tail(list(adapted), model.config.hidden_size, labels, generator)
    for name, parameter in tail.named_parameters():
        if "lora_A" in name:
            with torch.no_grad():
                parameter.normal_(0.0, rank**-0.5, generator=generator)
        parameter.requires_grad_("lora_B" in name or name.startswith("head."))
    for module in tail.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # few large steps: dropout would only add to the noise
    return Classifier(tokenizer, Trunk(model).eval(), tail.eval())


class _Wrap(nn.Module):
    """Gives peft a module whose layers it can adapt without knowing the rest of the encoder."""

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers


def _layer_list(model: Any) -> nn.ModuleList:
    for stack in ("encoder.layer", "transformer.layer"):
        try:
            found = model.get_submodule(stack)
        except AttributeError:
            continue
        return found
    raise InputError(f"'{model.config.model_type}' is no BERT, RoBERTa or DistilBERT", "Choose an encoder of these.")


def _hidden(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output
