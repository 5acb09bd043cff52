import numpy as np
import pytest
import torch

from dreamforge.cameras import Cameras, orbit
from dreamforge.rendering.background import composite
from dreamforge.toyworld import (
    FRONTLESS, RADIUS, Instance, instance, parse, render, render_each, sheet, to_mesh, vocabulary,
)  # fmt: skip
from dreamforge.toyworld.layout import support
from dreamforge.toyworld.lights import light
from dreamforge.toyworld.shape_kernels import EXTENT, KIND, MATRIX, field

FACES = ["corgi", "cat", "duck", "pig", "snowman", "robot", "penguin", "bear"]


def make(prompt: str, seed: int = 0) -> Instance:
    return instance(parse(prompt), seed)


@pytest.mark.parametrize("noun", vocabulary()["noun"])
def test_every_noun_is_centred_and_fits(noun: str) -> None:
    thing = make(f"a {noun} in a top hat", seed=3)
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    reach = support(thing.primitives, axes)
    assert np.allclose(reach[:3], reach[3:], atol=1e-6)
    radius = np.linalg.norm(to_mesh(thing, detail=12).vertices, axis=1).max()
    assert 0.93 * RADIUS < radius <= RADIUS + 1e-5
    assert len(thing.primitives) <= 64


def test_instances_depend_on_seed_and_words_alone() -> None:
    first, again, other = make("a cat", 1), make("a cat, side view", 1), make("a cat", 2)
    assert np.array_equal(first.table, again.table)
    assert first.table.shape == other.table.shape and not np.array_equal(first.table, other.table)
    cameras = orbit([0, 130], 20, size=32)
    assert torch.equal(render([first], cameras), render([again], cameras))


def test_the_empty_prompt_is_anything() -> None:
    drawn = {make("", seed).description.noun for seed in range(30)}
    assert len(drawn) > 12


def test_a_color_word_recolors_the_main_part() -> None:
    camera = orbit([30], 15, size=32)
    for noun in ("car", "corgi", "chair", "mug"):
        red = render([make(f"a red {noun}")], camera)[0, 0].sum(dim=(1, 2))
        blue = render([make(f"a blue {noun}")], camera)[0, 0].sum(dim=(1, 2))
        assert red[0] > 1.15 * blue[0] and blue[2] > 1.15 * red[2]


def test_faces_look_at_positive_z() -> None:
    """The dark pixels of eyes and noses are seen from the front and not from behind."""
    for noun in FACES:
        pictures = render([make(f"a yellow {noun}")], orbit([0, 180], 5, size=64))[:, 0]
        rgb, alpha = pictures[:, :3], pictures[:, 3]
        head = slice(0, 38)
        dark = ((rgb.amax(dim=1) < 0.25) & (alpha > 0.99))[:, head].sum(dim=(1, 2))
        assert dark[0] >= dark[1] + 6, noun


@pytest.mark.parametrize("noun", sorted(set(vocabulary()["noun"]) - FRONTLESS))
def test_what_has_a_front_looks_otherwise_from_behind(noun: str) -> None:
    above = light((0, 1, 0))  # the same from all around
    pictures = render_each([make(noun)] * 2, orbit([0, 180], 15, size=48), [above])
    assert (pictures[0] - pictures[1]).abs().sum() > 0.05 * pictures[0, 3].sum()


def test_the_bill_of_the_duck_is_at_positive_z_and_wears_go_on_top() -> None:
    bare, hatted = make("a yellow duck"), make("a yellow duck in a top hat")
    mesh = to_mesh(bare, shaded=False)
    assert mesh.colors is not None
    orange = mesh.vertices[(mesh.colors[:, 1] > 0.5) & (mesh.colors[:, 1] < 0.62) & (mesh.colors[:, 0] > 0.9)]
    assert orange[:, 2].max() > 0.45 and abs(orange[orange[:, 1] > 0, 0].mean()) < 0.05
    black = np.array([p.position for p in hatted.primitives[len(bare.primitives) :]])
    others = np.array([p.position for p in hatted.primitives[: len(bare.primitives)]])
    assert black[:, 1].mean() > others[:, 1].max() - 0.1


def test_pictures_are_premultiplied_and_composite_exactly() -> None:
    thing, camera = make("a white ghost"), orbit([20], 10, size=48)
    picture = render([thing], camera)
    rgb, alpha = picture[:, :, :3], picture[:, :, 3:]
    assert picture.dtype == torch.float32 and picture.shape == (1, 1, 4, 48, 48)
    assert torch.all(rgb <= alpha + 1e-6) and torch.all(rgb[alpha.expand_as(rgb) == 0] == 0)
    edges = alpha[(alpha > 0) & (alpha < 1)]
    assert len(edges) > 20 and torch.allclose(edges * 4, (edges * 4).round())
    # Supersampling by hand gives the same composite up to the colours shared within a pixel.
    background = torch.tensor([[0.2, 0.5, 0.9]])
    fine = composite(render([thing], camera.resized(96, 96), supersample=1), background)
    by_hand = torch.nn.functional.avg_pool2d(fine[0], 2)
    error = (composite(picture, background)[0] - by_hand).abs()
    assert error.max() < 0.08 and error.mean() < 1e-3


def test_pairs_are_the_diagonal_of_all() -> None:
    things, cameras = [make("a cat"), make("a bus")], orbit([0, 70], 15, size=24)
    everything = render(things, cameras)
    assert torch.equal(render_each(things, cameras), torch.stack([everything[0, 0], everything[1, 1]]))
    with pytest.raises(ValueError, match="1 instances and 1 lights for 2 cameras"):
        render_each(things[:1], cameras)


def _brute_force(thing: Instance, cameras: Cameras) -> np.ndarray:
    """Coverage `[B,H,W]` by marching every primitive's distance along every ray: slow, and no cleverness."""
    origins, rays = (v.double().numpy() for v in cameras.rays())
    rays = rays / -(rays @ cameras.c2w[0, :3, 2].double().numpy())[..., None]
    shape = rays.shape[:3]
    covered = np.zeros(shape, bool)
    for row in thing.table:
        matrix = row[MATRIX:].reshape(3, 4)
        for index in np.ndindex(shape):
            o = matrix[:, :3] @ origins[index] + matrix[:, 3]
            d = matrix[:, :3] @ rays[index]
            speed, t = np.linalg.norm(d), 1.0
            closest = np.linalg.norm(o - d * (o @ d) / speed**2)
            if closest > np.linalg.norm(row[EXTENT : EXTENT + 3]):
                continue
            while t < 5.0:
                distance = field(row, *(o + t * d))[0]
                if distance < 1e-4:
                    covered[index] = True
                    break
                t += distance / speed
    return covered


@pytest.mark.parametrize("prompt", ["a corgi in a top hat", "a donut", "a house"])
def test_the_caster_hits_what_brute_force_hits(prompt: str) -> None:
    thing, cameras = make(prompt), orbit([35], 25, size=32)
    expected = _brute_force(thing, cameras)
    picture = render([thing], cameras, supersample=1)[:, 0, 3].numpy() > 0
    assert (picture != expected).sum() <= 3


def test_fields_are_distances_with_their_gradients() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([make(p).table for p in ("a burger", "a robot", "a mug", "an umbrella")])
    assert set(rows[:, KIND]) == {float(k) for k in range(5)}
    for row in rows:
        for point in rng.normal(size=(8, 3)) * 2.0 * row[EXTENT : EXTENT + 3]:
            f, *gradient = field(row, *point)
            step = 1e-5
            ahead = np.array([field(row, *(point + step * e))[0] for e in np.eye(3)])
            behind = np.array([field(row, *(point - step * e))[0] for e in np.eye(3)])
            numeric = (ahead - behind) / (2 * step)
            assert abs(np.linalg.norm(gradient) - 1.0) < 1e-6
            crease = np.linalg.norm(numeric) < 0.99  # a central difference across a crease is neither side's gradient
            assert crease or np.allclose(gradient, numeric, atol=2e-3)


def test_a_sheet_is_a_grid_of_pictures() -> None:
    picture = sheet(["a cat", "a red car in a crown"], [0, 90, 180], size=24)
    assert picture.shape == (48, 72, 3) and picture.dtype == np.uint8


