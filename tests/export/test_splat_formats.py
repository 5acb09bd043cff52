"""Files of splats: what is in them byte by byte, round trips, and two converters that are not ours."""

from __future__ import annotations

import gzip
import struct
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dreamforge.contracts import Splats
from dreamforge.errors import UserError
from dreamforge.export import SPLATS, load_asset
from dreamforge.export.splats import turned
from dreamforge.export.verify import compare, eight_sides
from dreamforge.kernels.harmonics import Y0
from dreamforge.rendering.splats import render_splats
from tests.export.node import splat_transform, spz_js


def axes(count: int = 400, degree: int = 0, seed: int = 0) -> Splats:
    """Arms of flat Gaussians along +x (red), +y (green) and +z (blue), each twice as long as the one before."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 3, count)
    means = 0.03 * rng.standard_normal((count, 3))
    means[np.arange(count), arm] = rng.random(count) * np.array([0.2, 0.4, 0.8])[arm]
    quaternions = rng.standard_normal((count, 4))
    scales = np.exp(rng.uniform(-5, -3, (count, 3)))
    sh = 0.1 * rng.standard_normal((count, (degree + 1) ** 2, 3))
    sh[:, 0] = (np.array([[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.1, 0.2, 0.95]])[arm] - 0.5) / Y0
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    values = (means, scales, quaternions, rng.uniform(0.05, 0.99, count), sh)
    return Splats(*(value.astype(np.float32) for value in values))


def agreement(one: Splats, other: Splats) -> float:
    """PSNR between renders, dB."""
    return compare(partial(render_splats, one), eight_sides(partial(render_splats, other))).mean_psnr


def taken(splats: Splats, order: np.ndarray) -> Splats:
    return Splats(*(values[order] for values in vars(splats).values()))


def in_order(splats: Splats) -> Splats:
    return taken(splats, np.argsort(splats.means[:, 0], kind="stable"))


def covariances(splats: Splats) -> np.ndarray:
    """`[N,3,3]`, of the longest axis' variance."""
    turns = Rotation.from_quat(splats.quaternions, scalar_first=True).as_matrix()
    axes = turns * (splats.scales / splats.scales.max(1, keepdims=True))[:, None]
    return axes @ axes.transpose(0, 2, 1)


TOLERANCES = {  # means, log of scales, covariance, opacity, constant and higher harmonics
    "splats.ply": (1e-6, 1e-5, 1e-5, 1e-5, 1e-6, 1e-6),
    "splat": (1e-6, 1e-6, 0.02, 0.003, 0.008, None),
    "spz": (1e-6, 0.0313, 0.08, 0.003, 0.014, 0.07),
}


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("form", SPLATS)
def test_round_trip(tmp_path: Path, form: str, degree: int) -> None:
    path = tmp_path / f"Bär 熊.{form}"
    wrote = axes(degree=degree)
    wrote.quaternions[0] = [0.5, 0.5, 0.5, 0.5]
    wrote.quaternions[1] = [-0.1, 0.7, -0.7, 0.1] / np.linalg.norm([0.1, 0.7, 0.7, 0.1])
    SPLATS[form].save(wrote, path, "Bär 熊\nend_header")
    wrote, read = in_order(wrote), in_order(load_asset(path))
    position, scale, shape, opacity, constant, higher = TOLERANCES[form]
    np.testing.assert_allclose(read.means, wrote.means, atol=position)
    np.testing.assert_allclose(np.log(read.scales), np.log(wrote.scales), atol=scale)
    np.testing.assert_allclose(covariances(read), covariances(wrote), atol=shape)
    np.testing.assert_allclose(read.opacities, wrote.opacities, atol=opacity)
    np.testing.assert_allclose(read.sh[:, 0], wrote.sh[:, 0], atol=constant)
    assert read.degree == (0 if higher is None else degree)
    if higher is not None:
        np.testing.assert_allclose(read.sh[:, 1:], wrote.sh[:, 1:], atol=higher)
    wrote.sh = wrote.sh[:, : read.sh.shape[1]]
    assert agreement(read, wrote) > 45
    assert list(tmp_path.iterdir()) == [path]


def one_splat() -> Splats:
    sh = np.arange(12, dtype=np.float32).reshape(1, 4, 3) / 16
    return Splats(*(np.array(value, np.float32) for value in (
        [[1, 2, 3]], [[0.5, 0.25, 0.125]], [[0.5, -0.5, 0.5, -0.5]], [0.75])), sh)  # fmt: skip


def test_ply_has_the_layout_of_the_original_code(tmp_path: Path) -> None:
    SPLATS["splats.ply"].save(one_splat(), tmp_path / "a.ply", "a")
    head, body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n")
    names = [line.split()[2] for line in head.decode().splitlines() if line.startswith("property float ")]
    values = dict(zip(names, np.frombuffer(body, "<f4"), strict=True))
    assert names[:6] == ["x", "y", "z", "nx", "ny", "nz"] and names[6:9] == ["f_dc_0", "f_dc_1", "f_dc_2"]
    assert names[9:18] == [f"f_rest_{i}" for i in range(9)]
    assert names[18:] == ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    assert [values[key] for key in "xyz"] == [1, -2, -3]  # y down, z away
    assert [values[f"f_dc_{i}"] for i in range(3)] == [0, 1 / 16, 2 / 16]
    # all of red first; the harmonics are -y, z, -x up to a factor, so the turn changes the sign of the first two
    assert [16 * values[f"f_rest_{i}"] for i in range(9)] == [-3, -6, 9, -4, -7, 10, -5, -8, 11]
    assert values["opacity"] == pytest.approx(np.log(3))
    np.testing.assert_allclose([values[f"scale_{i}"] for i in range(3)], np.log([0.5, 0.25, 0.125]), rtol=1e-6)
    np.testing.assert_allclose([values[f"rot_{i}"] for i in range(4)], [0.5, -0.5, -0.5, 0.5])


def test_splat_is_32_bytes_the_most_important_first(tmp_path: Path) -> None:
    SPLATS["splat"].save(axes(50), tmp_path / "a.splat", "a")
    assert (tmp_path / "a.splat").stat().st_size == 50 * 32
    read = load_asset(tmp_path / "a.splat")
    assert (np.diff(read.opacities * read.scales.prod(1)) <= 1e-9).all()
    SPLATS["splat"].save(one_splat(), tmp_path / "b.splat", "b")
    row = struct.unpack("<6f8B", (tmp_path / "b.splat").read_bytes())
    assert row[:6] == (1, -2, -3, 0.5, 0.25, 0.125)
    assert row[6:10] == (128, round((0.5 + Y0 / 16) * 255), round((0.5 + Y0 / 8) * 255), 191)
    assert row[10:] == (192, 64, 64, 192)


def test_spz_version_2_byte_by_byte(tmp_path: Path) -> None:
    SPLATS["spz"].save(one_splat(), tmp_path / "a.spz", "a")
    content = gzip.decompress((tmp_path / "a.spz").read_bytes())
    magic, version, count, degree, bits, flags, reserved = struct.unpack("<IIIBBBB", content[:16])
    assert (magic, version, count, degree, flags, reserved) == (0x5053474E, 2, 1, 1, 1, 0)
    body = content[16:]
    assert [int.from_bytes(body[i : i + 3], "little", signed=True) / 2**bits for i in (0, 3, 6)] == [1, 2, 3]
    assert body[9] == 191
    assert list(body[10:13]) == [round((0.5 + 0.15 * x / 16) * 255) for x in range(3)]
    np.testing.assert_allclose([b / 16 - 10 for b in body[13:16]], np.log([0.5, 0.25, 0.125]), atol=1 / 32)
    assert list(body[16:19]) == [64, 191, 64]  # x, y, z with w > 0
    assert [round((b - 128) / 8) for b in body[19:]] == list(range(3, 12))


def test_spz_version_3_rotations_are_read(tmp_path: Path) -> None:
    """Packed here as the format's description has it: three smallest of x, y, z, w, the largest's index on top."""
    quaternion = np.array([0.1, -0.9, 0.3, -0.2]) / np.linalg.norm([0.1, -0.9, 0.3, -0.2])  # xyzw; y is largest
    packed = 1
    for value in -quaternion[[0, 2, 3]]:  # turned so that y is positive
        packed = packed << 10 | (512 if value < 0 else 0) | round(abs(value) * 2**0.5 * 511)
    body = bytes(9) + bytes([255, 128, 128, 128, 100, 100, 100]) + struct.pack("<I", packed)
    head = struct.pack("<IIIBBBB", 0x5053474E, 3, 1, 0, 12, 0, 0)
    (tmp_path / "a.spz").write_bytes(gzip.compress(head + body))
    read = load_asset(tmp_path / "a.spz").quaternions[0][[1, 2, 3, 0]]
    np.testing.assert_allclose(read, -quaternion, atol=2e-3)


@pytest.mark.parametrize("source", SPLATS)
@pytest.mark.parametrize("target", ["ply", "spz"])
def test_splat_transform_agrees(tmp_path: Path, source: str, target: str) -> None:
    """Ours read there, theirs read here; upright and facing the same way, which a half-turn of the axes would undo."""
    pytest.importorskip("zstandard")
    wrote, there, back = axes(degree=3 if source != "splat" else 0), tmp_path / f"a.{source}", tmp_path / f"b.{target}"
    SPLATS[source].save(wrote, there, "axes")
    splat_transform(there, back)
    read = load_asset(back)
    assert agreement(read, wrote) > 45
    assert read.degree == wrote.degree
    near = np.argmin(np.linalg.norm(read.means - wrote.means[7], axis=1))
    np.testing.assert_allclose(read.sh[near], wrote.sh[7], atol=0.1)


@pytest.mark.parametrize("source", ["splats.ply", "spz"])
@pytest.mark.parametrize("target", ["ply", "spz"])
def test_spz_js_agrees(tmp_path: Path, source: str, target: str) -> None:
    wrote, there, back = axes(degree=1), tmp_path / f"a.{source}", tmp_path / f"b.{target}"
    SPLATS[source].save(wrote, there, "axes")
    spz_js(there, back)
    read = load_asset(back)
    converted = (source == "spz") != (target == "spz")
    assert agreement(turned(read) if converted else read, wrote) > 45


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    count=st.integers(1, 5), degree=st.integers(0, 3), exponent=st.floats(-6, 5), form=st.sampled_from(list(SPLATS)),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_any_splats_survive(tmp_path: Path, count: int, degree: int, exponent: float, form: str, seed: int) -> None:
    """Of any size: places to a thousandth of the whole, opacities to a byte, scales as far as the format reaches."""
    wrote = axes(count, degree, seed)
    wrote.means *= np.float32(10**exponent)
    wrote.scales *= np.float32(10**exponent)
    wrote.opacities[0] = seed % 2  # quite opaque, quite clear
    path = tmp_path / f"a.{form}"
    SPLATS[form].save(wrote, path, "")
    read = load_asset(path)
    if form == "splat":
        wrote = taken(wrote, np.argsort(-wrote.opacities * wrote.scales.astype(np.float64).prod(1), kind="stable"))
    size = float(np.abs(wrote.means).max())
    np.testing.assert_allclose(read.means, wrote.means, atol=max(1e-3 * size, 1e-6))
    np.testing.assert_allclose(read.opacities, wrote.opacities, atol=0.003)
    reach = (np.exp(-10), np.exp(255 / 16 - 10)) if form == "spz" else (1e-20, 1e20)
    np.testing.assert_allclose(np.log(read.scales), np.log(wrote.scales.clip(*reach)), atol=0.04)


def test_more_than_a_format_holds_is_refused(tmp_path: Path) -> None:
    far = axes(3)
    far.means *= 1e9
    with pytest.raises(UserError, match="scale the scene down"):
        SPLATS["spz"].save(far, tmp_path / "a.spz", "far")
    assert not list(tmp_path.iterdir())
