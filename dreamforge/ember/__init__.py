"""Ember: small diffusion models trained by this project on its toy world, in the standard folder formats.

    data.py       captioned pictures of the toy world, rendered ahead of the training
    networks.py   the architectures: stock classes of diffusers and transformers, nothing of our own
    fit.py        the training loop: seeded, resumable, logged
    tasks/        what is trained, a file each: vae, clip, unet, multiview, adapter
    clip.py       `ClipScorer`: text-image similarity with any CLIP folder, differentiable in the pictures
    sampling.py   pictures out of a prior
    evaluate.py   retrieval, obeyed view words, diversity, sample grids
    weights/      what ships with the package
"""

from __future__ import annotations

from pathlib import Path

from dreamforge.errors import UserError

EMBEDDED = ("ember", "ember-mv")
"""Names of the diffusion models that ship with the package (or will)."""

WEIGHTS = Path(__file__).parent / "weights"


def shipped(name: str) -> Path:
    """The folder of a model that ships with the package ("ember", "ember-clip", …); UserError where it does not."""
    folder = WEIGHTS / name
    if not folder.is_dir():
        raise UserError(f"{name} does not ship with this version; train it with `dreamforge ember train` (docs/ember.md)")
    return folder


def quiet_libraries() -> None:
    """No notes and progress bars of diffusers and transformers on the terminal; UserError where they are not installed."""
    try:
        import diffusers.utils.logging
        import transformers.utils.logging
    except ImportError as error:
        raise UserError("this needs extra packages: pip install 'dreamforge3d[diffusers]'") from error
    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
