"""The parts of a file, each of one material, as one mesh with one texture.

Texels are copied as they are and uv moved by whole texels, so that nothing is resampled: where a picture repeats under
a face it is laid out as often, and colours of vertices become texels whose bilinear mean across a face they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

import numpy as np
from PIL import Image

from dreamforge.contracts import Mesh
from dreamforge.errors import UserError

MARGIN = 2  # texels around a picture, the same as on its other side
MOST_TEXELS = 8192  # along a side of the texture; pictures are halved until they fit
SLACK = 1e-4  # by which uv may leave [0,1] through rounding
NEUTRAL = {
    "texture": np.uint8([[[255, 255, 255]]]), "metallic_roughness": np.uint8([[[0, 255, 0]]]),
    "normal_map": np.uint8([[[128, 128, 255]]]),
}  # fmt: skip


@dataclass
class Part:
    """Triangles of one material in world coordinates: vertices `[V,3]`, faces `[F,3]`, unit normals `[V,3]`.

    Either sRGB colours `[V,3]` in [0,1] or none, which is white; or uv `[V,2]`, any, v up, and pictures `[H,W,3]`
    uint8, row 0 at v = 1, by their names in `Mesh`.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    pictures: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def material(self) -> bytes:
        """The same for parts of the same pictures."""
        digest = sha256()
        for name, picture in sorted(self.pictures.items()):
            digest.update(f"{name} {picture.shape} ".encode() + picture.tobytes())
        return digest.digest()


@contextmanager
def no_bombs() -> Iterator[None]:
    """Inside it, opening a picture of more than 90 million texels is an error, where Pillow would only warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def pixels(picture: Image.Image) -> np.ndarray:
    """`[H,W,3]` uint8 of a picture that has only been opened. UserError where it is huge or broken."""
    if picture.width * picture.height > MOST_TEXELS**2:
        raise UserError(f"a picture of {picture.width:,} x {picture.height:,}; up to {MOST_TEXELS:,} squared are read")
    try:
        return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"a picture in it cannot be read ({error})") from error


def joined(parts: Sequence[Part]) -> Mesh:
    """One mesh of all parts. UserError where a picture repeats under a face beyond all bounds."""
    painted = any(part.pictures for part in parts)
    if painted:
        parts = [_within_repeats(part if part.pictures else _as_texels(part)) for part in parts]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])[:-1]
    mesh = Mesh(
        np.concatenate([part.vertices for part in parts]).astype(np.float32),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]).astype(np.int32),
        np.concatenate([part.normals for part in parts]).astype(np.float32),
    )
    if painted:
        _paint(mesh, parts)
    elif any(part.colors is not None for part in parts):
        shown = [np.ones_like(part.vertices) if part.colors is None else part.colors for part in parts]
        mesh.colors = np.concatenate(shown).astype(np.float32)
    return mesh


def _as_texels(part: Part) -> Part:
    """The part with its colours in a picture: one texel, or 2 x 2 a face, between whose middles the face lies.

    Exact unless the fourth texel, which no corner names, would have to leave [0,1].
    """
    corner = np.ones((len(part.faces), 3, 3)) if part.colors is None else part.colors[part.faces]
    if np.ptp(corner.reshape(-1, 3), axis=0).max() == 0:
        picture = np.round(corner[:1, :1] * 255).astype(np.uint8)
        return replace(part, colors=None, uv=np.full((len(part.vertices), 2), 0.5), pictures={"texture": picture})
    side = int(np.ceil(np.sqrt(len(corner))))
    blocks, fourth = np.zeros((side * side, 4, 3)), corner[:, 1] + corner[:, 2] - corner[:, 0]
    blocks[: len(corner)] = np.concatenate([corner, fourth[:, None]], axis=1)
    picture = blocks.reshape(side, side, 2, 2, 3).transpose(0, 2, 1, 3, 4).reshape(2 * side, 2 * side, 3)
    row, column = np.divmod(np.arange(len(corner)), side)
    middle = np.stack([2 * column, 2 * row], -1)[:, None] + [[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]]
    loose = _with_vertices(part, part.faces.reshape(-1))
    uv = middle.reshape(-1, 2) / (2 * side) * [1, -1] + [0, 1]
    return replace(loose, colors=None, uv=uv, pictures={"texture": np.round(picture.clip(0, 1) * 255).astype(np.uint8)})


def _with_vertices(part: Part, rows: np.ndarray) -> Part:
    """The part with the vertices `rows`, one for each corner of a face."""
    faces = np.arange(len(rows)).reshape(-1, 3)
    uv = None if part.uv is None else part.uv[rows]
    return replace(part, faces=faces, vertices=part.vertices[rows], normals=part.normals[rows], uv=uv)


def _within_repeats(part: Part) -> Part:
    """The part with every face moved by whole repeats of its picture to where its uv begin in [0,1)."""
    moved = np.floor(part.uv[part.faces].min(axis=1) + SLACK)
    if not moved.any():
        return part
    loose = _with_vertices(part, part.faces.reshape(-1))
    return replace(loose, uv=loose.uv - np.repeat(moved, 3, axis=0))


def _paint(mesh: Mesh, parts: Sequence[Part]) -> None:
    """Give the mesh the pictures of its parts, side by side, and uv in them."""
    keys = [part.material for part in parts]
    materials = {key: part.pictures for key, part in zip(keys, parts, strict=True)}
    repeats = {key: np.ones(2, int) for key in materials}  # down, across
    for key, part in zip(keys, parts, strict=True):
        most = np.ceil(part.uv.max(axis=0) - SLACK)[::-1]
        repeats[key] = np.maximum(repeats[key], most.clip(max=MOST_TEXELS).astype(int))
    if len(materials) == 1 and (repeats[keys[0]] == 1).all():
        mesh.uv = np.concatenate([part.uv for part in parts]).clip(0, 1).astype(np.float32)
        vars(mesh).update({"texture": NEUTRAL["texture"]} | materials[keys[0]])
        return
    sizes, places, extent = _layout(materials, repeats)
    for name in sorted({"texture"}.union(*materials.values())):
        canvas = np.tile(NEUTRAL[name], (*extent, 1))
        for key, pictures in materials.items():
            if name in pictures:
                tiled = _tiled(pictures[name], sizes[key], repeats[key])
                (top, left), (height, width) = places[key], tiled.shape[:2]
                canvas[top : top + height, left : left + width] = tiled
        setattr(mesh, name, canvas)
    uv = []
    for key, part in zip(keys, parts, strict=True):
        down = (repeats[key][0] - part.uv[:, 1]) * sizes[key][0] + places[key][0] + MARGIN
        across = part.uv[:, 0] * sizes[key][1] + places[key][1] + MARGIN
        uv.append(np.stack([across / extent[1], 1 - down / extent[0]], axis=1))
    mesh.uv = np.concatenate(uv).clip(0, 1).astype(np.float32)


def _layout(
    materials: dict[bytes, dict[str, np.ndarray]], repeats: dict[bytes, np.ndarray]
) -> tuple[dict[bytes, np.ndarray], dict[bytes, np.ndarray], np.ndarray]:
    """Of each material how large its picture is and where its place begins, rows first, and how large the whole is."""
    shapes = {key: [picture.shape[:2] for picture in pictures.values()] for key, pictures in materials.items()}
    full = {key: np.max(sizes, axis=0) for key, sizes in shapes.items()}
    for halvings in range(MOST_TEXELS.bit_length() + 1):
        sizes = {key: np.maximum(size >> halvings, 1) for key, size in full.items()}
        blocks = np.array([size * repeats[key] + 2 * MARGIN for key, size in sizes.items()])
        places, extent = _shelves(blocks)
        if extent.max() <= MOST_TEXELS:
            return sizes, dict(zip(sizes, places, strict=True)), extent
    raise UserError(f"its pictures repeat more often than {MOST_TEXELS:,} texels can hold")


def _shelves(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each of the blocks `[N,2]` (height, width) begins, in rows from the highest on, and the extent of all."""
    limit = max(blocks[:, 1].max(), int(np.ceil(np.sqrt(blocks.prod(axis=1).sum()))))
    places, top, left, height = np.zeros_like(blocks), 0, 0, 0
    for index in np.argsort(-blocks[:, 0], kind="stable"):
        if left + blocks[index, 1] > limit:
            top, left, height = top + height, 0, 0
        places[index] = top, left
        left, height = left + blocks[index, 1], max(height, blocks[index, 0])
    return places, (places + blocks).max(axis=0)


def _tiled(picture: np.ndarray, size: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """The picture at a size `[2]`, repeated down and across, with a margin as if it went on."""
    if (picture.shape[:2] != size).any():
        picture = np.asarray(Image.fromarray(picture).resize(size[::-1].tolist()))
    more = [(MARGIN, MARGIN + side * (count - 1)) for side, count in zip(size.tolist(), repeats.tolist(), strict=True)]
    return np.pad(picture, [*more, (0, 0)], mode="wrap")
