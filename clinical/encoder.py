"""The base encoder, cut in two: a frozen trunk that runs once, and a tail with LoRA and a head that is trained.

LoRA's A matrices come from the plan's seed and stay frozen, only B and the head are trained (FFA-LoRA, Sun et al.
2024): an average of B's is then the average of the updates, and Opacus' hooks give exact gradients for each patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
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
        device = next(self.model.parameters()).device
        return self.model(input_ids=ids.to(device), attention_mask=mask.to(device)).last_hidden_state


class Tail(nn.Module):
    """The trained end: last layers with LoRA, mean over a note's tokens, centred, unit length, linear head.

    Hidden states `[B, W, L, D]` of a note's windows and mask `[B, W, L]` to logits `[B, K]`.

    Attributes:
        centre: `[D]`, taken from every note's mean before it gets unit length: most of it is what all notes share, and
            a clipped gradient would be spent on that. A public number, or zero.
    """

    centre: Tensor

    def __init__(self, layers: list[nn.Module], width: int, labels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(width, labels)
        self.register_buffer("centre", torch.zeros(width))
        with torch.no_grad():
            # Small and not zero: LoRA's gradient goes through the head and would vanish with it.
            self.head.weight.normal_(0.0, 0.01, generator=generator)
            self.head.bias.zero_()

    def tokens(self, states: Tensor, mask: Tensor) -> Tensor:
        """The states of a note's tokens after the trained layers, `[B, W * L, D]`."""
        states, mask = states.to(self.centre.device), mask.to(self.centre.device)
        flat, seen = states.flatten(0, 1), mask.flatten(0, 1)
        additive = (1.0 - seen[:, None, None, :].to(flat.dtype)) * torch.finfo(flat.dtype).min
        for layer in self.layers:
            flat = _hidden(layer(flat, additive))
        return flat.reshape(len(states), -1, flat.shape[-1])

    def mean(self, states: Tensor, mask: Tensor) -> Tensor:
        """Mean of a note's token states, `[B, D]`."""
        tokens = self.tokens(states, mask)
        weights = mask.flatten(1)[:, :, None].to(tokens)
        return (tokens * weights).sum(1) / weights.sum(1).clamp(min=1.0)

    def features(self, states: Tensor, mask: Tensor) -> Tensor:
        """What the head sees of each note: `[B, D]` of unit length."""
        return nn.functional.normalize(self.mean(states, mask) - self.centre, dim=-1)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.features(states, mask))

    def trained(self) -> dict[str, nn.Parameter]:
        """What travels: LoRA's B matrices and the head, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}


@dataclass(frozen=True)
class Design:
    """What a plan says about the model.

    Attributes:
        titles: what each label means in words, `[K]`.
        trained_layers: how many of the last layers carry LoRA; with none the whole encoder is the trunk.
        lora_rank: of LoRA.
        lora_scale: by which LoRA's product is multiplied. A small one keeps the noise on B from drowning the head.
        seed: of LoRA's A and of a head without a warm start; the same seed gives the same weights everywhere.
        window: tokens of a window, L.
        windows_per_note: windows that are read of a note, at most.
        warm_start: length of the head's first rows, each in the direction of its label's title; 0: small random ones.
        multi_label: each label by itself (sigmoid), or all as one distribution (softmax).
    """

    titles: tuple[str, ...]
    trained_layers: int
    lora_rank: int
    lora_scale: float
    seed: int
    window: int
    windows_per_note: int
    warm_start: float
    multi_label: bool

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> Design:
        """From a plan as data."""
        names = [field.name for field in fields(cls) if field.name != "titles"]
        titles = tuple(plan["label_titles"].get(label, label) for label in plan["labels"])
        return cls(titles, **{name: plan[name] for name in names})


@dataclass(frozen=True)
class Classifier:
    """A tokenizer, a trunk and a tail that belong together."""

    design: Design
    tokenizer: Any
    trunk: Trunk
    tail: Tail

    @property
    def device(self) -> torch.device:
        return self.tail.head.weight.device


def build_classifier(files: EncoderFiles, design: Design) -> Classifier:
    """Load an encoder and cut it below the lowest trained layer.

    Raises:
        InputError: the encoder is of no known family, or has too few layers.
    """
    tokenizer, model = load_encoder(files)
    layers = _layer_list(model)
    if not 0 <= design.trained_layers <= len(layers):
        raise InputError(f"{design.trained_layers} trained layers where the encoder has {len(layers)}")
    depth = len(layers) - design.trained_layers
    adapted = _with_lora(nn.ModuleList(layers[depth:]), design) if design.trained_layers else []
    del layers[depth:]
    generator = torch.Generator().manual_seed(design.seed)
    tail = Tail(list(adapted), model.config.hidden_size, len(design.titles), generator)
    for name, parameter in tail.named_parameters():
        if "lora_A" in name:
            with torch.no_grad():
                parameter.normal_(0.0, design.lora_rank**-0.5, generator=generator)
        parameter.requires_grad_("lora_B" in name or name.startswith("head."))
    for module in tail.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # few large steps: dropout would only add to the noise
    return Classifier(design, tokenizer, Trunk(model).eval(), tail.eval())


def _with_lora(layers: nn.ModuleList, design: Design) -> nn.ModuleList:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=design.lora_rank,
        lora_alpha=design.lora_scale * design.lora_rank,
        lora_dropout=0.0,
        bias="none",
        target_modules=r".*\.(" + "|".join(_LORA_TARGETS) + r")",
        layers_to_transform=None,
    )
    return get_peft_model(_Wrap(layers), config).base_model.model.layers


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
