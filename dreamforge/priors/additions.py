"""Files that change a checkpoint: IP-Adapters for image prompts, and LoRA."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamforge.errors import UserError, one_line

FAILURES = (OSError, ValueError, KeyError, IndexError, RuntimeError)
"""What diffusers and peft raise for a file that does not fit."""


def load_adapter(pipe: Any, folder: Path) -> None:
    """An IP-Adapter and its image encoder into the pipeline."""
    weights = sorted(folder.glob("*.safetensors"))
    if len(weights) != 1 or not (folder / "image_encoder").is_dir():
        raise UserError(f"prior.adapter: {folder} does not hold one .safetensors file and an image_encoder folder")
    try:
        pipe.load_ip_adapter(
            str(folder), subfolder="", weight_name=weights[0].name, local_files_only=True, low_cpu_mem_usage=False
        )
    except FAILURES as error:
        raise UserError(f"prior.adapter: cannot load {weights[0]}: {one_line(error)}") from error


def merge_loras(pipe: Any, files: Mapping[str, float], parts: Sequence[str]) -> None:
    """Add low-rank adapters, each times its scale, to the weights of these parts of the pipeline ("unet", "text_encoder", …).

    Any format that diffusers reads: its own, peft's, kohya's. W becomes W + scale (alpha / rank) B A, so that nothing is
    slower for it and phi's own adapters find plain layers. UserError for a file made for another family.
    """
    if files and "unet" not in pipe.components:
        raise UserError("prior.lora: the model has no UNet; LoRA files are for SD and SDXL")
    logging.getLogger("diffusers.loaders").setLevel(logging.CRITICAL)  # what it has to say is said here, in one line
    for name, scale in files.items():
        path = Path(name).expanduser()
        if path.suffix != ".safetensors" or not path.is_file():
            raise UserError(f"prior.lora: {name} is not a .safetensors file; say prior.lora='{{FILE: SCALE}}'")
        try:
            _merge(pipe, path, scale, parts)
        except FAILURES as error:
            kind = type(pipe).__name__.removesuffix("Pipeline")
            raise UserError(f"prior.lora: {name} does not fit {kind} checkpoints: {one_line(error)[:120]}") from error


def _merge(pipe: Any, path: Path, scale: float, parts: Sequence[str]) -> None:
    from peft import get_peft_model_state_dict

    state, alphas, metadata = pipe.lora_state_dict(
        str(path.parent), weight_name=path.name, local_files_only=True, use_safetensors=True,
        unet_config=pipe.unet.config, return_lora_metadata=True,
    )  # fmt: skip
    known = [part for part in ("unet", "text_encoder", "text_encoder_2") if part in pipe.config]
    meant = {part: sum(key.startswith(f"{part}.") for key in state) for part in known}
    if sum(meant.values()) < len(state):
        raise ValueError("it holds other tensors than low-rank adapters of this family's networks")
    told = {"network_alphas": alphas, "metadata": metadata, "adapter_name": "file"}
    for part in parts:
        if meant.get(part):
            module = getattr(pipe, part)
            if part == "unet":
                pipe.load_lora_into_unet(state, unet=module, **told)
            else:
                pipe.load_lora_into_text_encoder(state, text_encoder=module, prefix=part, **told)
            if len(get_peft_model_state_dict(module, adapter_name="file")) != meant[part]:
                raise ValueError(f"its {part} has other layers")
            pipe.fuse_lora(components=[part], lora_scale=scale)
    pipe.unload_lora_weights()
