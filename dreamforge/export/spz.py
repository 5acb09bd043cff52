"""Niantic's .spz: splats in 19 bytes each before compression; axes as ours, y up and z toward the viewer.

Positions are 24-bit fixed point, scales logarithms in sixteenths, opacities, colours and the x, y, z of rotations bytes,
higher harmonics bytes that are rounded so that they compress. That is version 2, which every reader takes; versions 3
and 4, which have three components of a rotation in 10 bits each and 4 of which is compressed by zstd, are read as well.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dreamforge.contracts import Splats
from dreamforge.errors import UserError
from dreamforge.export.splats import LEAST_SCALE, checked
from dreamforge.runs import write_atomic

MAGIC, HEADER = b"NGSP", "<4sIIBBBB"
ANTIALIASED = 1  # flag: made for a renderer that takes opacity off what it blurs, as ours is
COLOR_SCALE = 0.15  # of the constant harmonic: leaves room for colours beyond [0,1]
MOST_SPLATS = 10_000_000
MOST_POSITION = 2**23 - 1


def save(splats: Splats, path: Path, name: str) -> None:
    """Write a .spz file; the format has no place for `name`. UserError where coordinates are too large for it."""
    largest = max(float(np.abs(splats.means).max()), 1e-6)
    bits = int(min(np.floor(np.log2(MOST_POSITION / largest)), 20))
    if bits < 0:
        raise UserError(f"{path.name}: coordinates reach {largest:.3g}, beyond what .spz holds; scale the scene down")
    head = struct.pack(HEADER, MAGIC, 2, len(splats.means), splats.degree, bits, ANTIALIASED, 0)
    fixed = np.round(splats.means.astype(np.float64) * 2**bits).astype("<i4")
    log_scales = np.log(np.maximum(splats.scales, LEAST_SCALE))
    streams = [
        fixed.view(np.uint8).reshape(-1, 4)[:, :3],
        _byte(splats.opacities * 255),
        _byte((splats.sh[:, 0] * COLOR_SCALE + 0.5) * 255),
        _byte((log_scales + 10) * 16),
        _byte((_rotations(splats.quaternions) + 1) * 127.5),
        _pack_harmonics(splats.sh[:, 1:]),
    ]
    write_atomic(path, gzip.compress(head + b"".join(stream.tobytes() for stream in streams), mtime=0))


def load(path: Path) -> Splats:
    """Read a .spz file of version 2 to 4. UserError for anything else, before memory is spent on what it promises."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    with open(path, "rb") as stream:
        start = stream.read(4)
    try:
        version, degree, bits, streams = (_zstd_streams if start == MAGIC else _gzip_streams)(path)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise UserError(f"{path}: not a readable .spz file ({error})") from error
    position, opacity, color, scale, rotation, rest = streams
    count = len(opacity)
    fixed = np.zeros((count, 3, 4), np.uint8)
    fixed[:, :, 1:] = position.reshape(count, 3, 3)
    means = (fixed.reshape(count, 12).view("<i4") >> 8) / 2.0**bits
    constant = (color.reshape(count, 1, 3) / 255 - 0.5) / COLOR_SCALE
    higher = (rest.reshape(count, -1, 3).astype(np.float32) - 128) / 128
    quaternions = _unpack_rotations(rotation.reshape(count, -1))
    sh = np.concatenate([constant, higher], axis=1)
    return checked(path, means, np.exp(scale.reshape(count, 3) / 16 - 10), quaternions, opacity / 255, sh)


def _sizes(path: Path, head: tuple[int, ...]) -> list[int]:
    """Bytes of each stream that a header promises."""
    magic, version, count, degree = head[:4]
    if magic != MAGIC:
        raise UserError(f"{path}: not a .spz file")
    if not 2 <= version <= 4 or degree > 3 or not 0 < count <= MOST_SPLATS:
        raise UserError(
            f"{path}: cannot read a .spz of version {version} with {count:,} splats of degree {degree}; "
            f"versions 2 to 4, up to {MOST_SPLATS:,} splats and degree 3 can be read"
        )
    return [count * size for size in (9, 1, 3, 3, 3 if version == 2 else 4, 3 * ((degree + 1) ** 2 - 1))]


def _gzip_streams(path: Path) -> tuple[int, int, int, list[np.ndarray]]:
    with gzip.open(path) as stream:
        head = struct.unpack(HEADER, stream.read(struct.calcsize(HEADER)))
        sizes = _sizes(path, head)
        body = stream.read(sum(sizes))
    if len(body) < sum(sizes):
        raise UserError(f"{path}: cut off: it holds fewer splats than the {head[2]:,} it promises")
    return head[1], head[3], head[4], np.split(np.frombuffer(body, np.uint8), np.cumsum(sizes)[:-1])


def _zstd_streams(path: Path) -> tuple[int, int, int, list[np.ndarray]]:
    content, unpack = path.read_bytes(), _zstd(path)
    head = struct.unpack_from(HEADER, content)
    sizes, (table,) = _sizes(path, head), struct.unpack_from("<I", content, 16)
    place, streams = table + 16 * head[6], []
    for index, size in enumerate(sizes):
        if not size:
            streams.append(np.zeros(0, np.uint8))
            continue
        packed, plain = struct.unpack_from("<QQ", content, table + 16 * index)
        if index >= head[6] or plain != size or place + packed > len(content):
            raise UserError(f"{path}: its table of contents does not fit its {head[2]:,} splats")
        streams.append(np.frombuffer(unpack(content[place : place + packed], size), np.uint8))
        place += packed
    return head[1], head[3], head[4], streams


def _zstd(path: Path) -> Callable[[bytes, int], bytes]:
    try:
        from zstandard import ZstdDecompressor, ZstdError
    except ImportError as error:
        raise UserError(f'{path}: a .spz of version 4 needs the package zstandard: pip install "dreamforge3d[view]"') from error

    def unpack(content: bytes, size: int) -> bytes:
        try:
            with ZstdDecompressor().stream_reader(content) as stream:
                plain = stream.read(size)
        except ZstdError as error:
            raise UserError(f"{path}: not a readable .spz file ({error})") from error
        if len(plain) != size:
            raise UserError(f"{path}: cut off inside a stream")
        return plain

    return unpack


def _rotations(quaternions: np.ndarray) -> np.ndarray:
    """x, y, z `[N,3]` of the same Gaussians' rotations with a positive w, which readers take from the other three.

    Half a turn about one of its own axes leaves a Gaussian as it is and makes another component the w. The largest one
    it has to be: near zero it would be lost, and the rotation several degrees off.
    """
    w, x, y, z = quaternions.T
    turns = np.stack([[w, x, y, z], [-x, w, z, -y], [-y, -z, w, x], [-z, y, -x, w]])  # [4,4,N]
    best = np.take_along_axis(turns, np.abs(turns[:, 0]).argmax(0)[None, None], axis=0)[0]
    return (best[1:] * np.where(best[0] < 0, -1, 1)).T


def _unpack_rotations(rows: np.ndarray) -> np.ndarray:
    """`[N,4]` wxyz, from the x, y, z of version 2 or from 4 bytes: which of xyzw is largest in 2 bits, then of each
    other one the sign and 9 bits of its magnitude."""
    if rows.shape[1] == 3:
        xyz = rows / 127.5 - 1
        w = np.sqrt(np.maximum(1 - (xyz**2).sum(1, keepdims=True), 0))
        return np.concatenate([w, xyz], axis=1)
    packed = np.ascontiguousarray(rows).view("<u4")
    fields = packed >> np.array([20, 10, 0], np.uint32)
    small = (fields & 511) / (511 * np.sqrt(2)) * np.where(fields & 512, -1, 1)
    largest = (packed[:, 0] >> 30).astype(np.int64)
    others = np.argsort(np.arange(4)[None] == largest[:, None], axis=1, kind="stable")
    rest = np.sqrt(np.maximum(1 - (small**2).sum(1, keepdims=True), 0))
    xyzw = np.empty((len(rows), 4))
    np.put_along_axis(xyzw, others, np.concatenate([small, rest], axis=1), 1)
    return np.roll(xyzw, 1, axis=1)


def _pack_harmonics(sh: np.ndarray) -> np.ndarray:
    """`[N,K,3]` -> bytes around 128, in steps of 8 for the first degree and of 16 beyond it."""
    step = np.where(np.arange(sh.shape[1]) < 3, 8, 16)[None, :, None]
    return np.clip((np.round(sh * 128) + 128 + step // 2) // step * step, 0, 255).astype(np.uint8)


def _byte(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
