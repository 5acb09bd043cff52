"""Tensors to files one can look at: PNG pictures, contact sheets, turntable videos. Whole files or none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dreamforge.errors import UserError
from dreamforge.runs import atomic, write_atomic

MARGIN, PAPER = 4, 0.94  # between the pictures of a contact sheet: pixels, grey


def to_uint8(image: Tensor) -> np.ndarray:
    """`[...,C,H,W]` in [0,1] to uint8 `[...,H,W,C]`."""
    return (image.detach().cpu().clamp(0, 1) * 255).round().byte().movedim(-3, -1).numpy()


ENCODERS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 4},  # twice as fast as the default, at a few percent of size
    "jpeg": {"quality": 92, "subsampling": 0},
    "webp": {"quality": 90},
}


def encoded(image: Tensor | np.ndarray, kind: str = "png") -> bytes:
    """The bytes of a picture file ("png", "jpeg" or "webp") of a float picture `[C,H,W]` in [0,1] or a uint8 one
    `[H,W,C]`, C being 3 or, where it is no JPEG, 4 (RGBA)."""
    pixels = to_uint8(image) if isinstance(image, Tensor) else image
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind.upper(), **ENCODERS[kind])
    return buffer.getvalue()


def open_picture(path: str | Path) -> Tensor:
    """A picture file as `[3,H,W]` in [0,1], on white where it is transparent. UserError where it is none."""
    try:
        pixels = np.asarray(Image.open(path).convert("RGBA"), dtype=np.float32) / 255
    except OSError as error:
        raise UserError(f"cannot read the picture {path}: {error.strerror or error}; give a PNG or JPEG file") from error
    rgba = torch.from_numpy(pixels).movedim(-1, 0)
    return rgba[:3] * rgba[3:] + 1 - rgba[3:]


def save_picture(image: Tensor, path: Path) -> None:
    """Write `[C,H,W]` in [0,1], C being 3 or 4 (straight alpha last), as PNG."""
    write_atomic(path, encoded(image))


def contact_sheet(images: Tensor, columns: int) -> Tensor:
    """Pictures `[B,3,H,W]` in rows of `columns` on light grey paper, as one `[3,h,w]`."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    size = (channels, rows * (height + MARGIN) + MARGIN, columns * (width + MARGIN) + MARGIN)
    sheet = torch.full(size, PAPER)
    for index, image in enumerate(images.detach().cpu()):
        top = MARGIN + index // columns * (height + MARGIN)
        left = MARGIN + index % columns * (width + MARGIN)
        sheet[:, top : top + height, left : left + width] = image
    return sheet


def save_video(frames: Tensor, path: Path, fps: int = 24) -> None:
    """Write `[N,3,H,W]` in [0,1] (even H and W) as an .mp4 that plays everywhere: H.264, yuv420p, index in front."""
    import imageio_ffmpeg  # brings all of ffmpeg, which only films need

    count, _, height, width = frames.shape
    if height % 2 or width % 2:
        raise ValueError(f"a video needs even sides, not {width} x {height}")
    options = ["-crf", "18", "-movflags", "+faststart", "-colorspace", "bt709", "-color_primaries", "bt709"]
    options += ["-color_trc", "bt709", "-vf", "scale=out_color_matrix=bt709:out_range=tv"]
    with atomic(path) as temporary:  # ffmpeg goes by the ending, which it keeps
        writer = imageio_ffmpeg.write_frames(
            str(temporary), (width, height), fps=fps, codec="libx264", quality=None, macro_block_size=2,
            pix_fmt_out="yuv420p", output_params=options,
        )  # fmt: skip
        writer.send(None)
        for frame in to_uint8(frames):
            writer.send(np.ascontiguousarray(frame))
        writer.close()
