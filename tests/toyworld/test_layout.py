import numpy as np
import pytest
import torch

from dreamforge.cameras import orbit
from dreamforge.toyworld import Description, Instance, instance, parse, render, to_mesh, vocabulary
from dreamforge.toyworld.descriptions import partners
from dreamforge.toyworld.layout import support
from dreamforge.toyworld.primitives import Coat, Finish

WORDS = vocabulary()
AXES = np.concatenate([np.eye(3), -np.eye(3)])


def make(prompt: str, seed: int = 0) -> Instance:
    return instance(parse(prompt), seed)


def bounds(prompt: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bounding boxes `[2,3]` (low, high) of the first and the second thing of a prompt."""
    thing = make(prompt, seed)
    first = len(instance(Description(thing.description.noun), seed).primitives)
    boxes = []
    for parts in (thing.primitives[:first], thing.primitives[first:]):
        reach = support(parts, AXES)
        boxes.append(np.stack([-reach[3:], reach[:3]]))
    return boxes[0], boxes[1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_relations_put_things_where_they_say(seed: int) -> None:
    first, second = bounds("a cat next to a pig", seed)
    assert first[0, 0] > second[1, 0] or first[1, 0] < second[0, 0]
    assert abs(first[0, 1] - second[0, 1]) < 1e-6
    first, second = bounds("a cat in front of a pig", seed)
    assert first[0, 2] > second[1, 2] and first[0, 1] < second[0, 1] + 1e-6
    first, second = bounds("a cat behind a pig", seed)
    assert first[1, 2] < second[0, 2]
    first, second = bounds("a cat above a pig", seed)
    assert first[0, 1] > second[1, 1] and abs(first.mean(axis=0)[0] - second.mean(axis=0)[0]) < 1e-6
    first, second = bounds("a duck on a table", seed)
    assert abs(first[0, 1] - second[1, 1]) < 0.03
    first, second = bounds("a duck under a table", seed)
    assert abs(first[0, 1] - second[0, 1]) < 0.015 and first[1, 1] < second[1, 1] - 0.08
    assert second[0, 0] < first[0, 0] and first[1, 0] < second[1, 0]
    first, second = bounds("a cat on a chair", seed)
    assert first[0, 2] > second[0, 2] + 0.1  # not through the back


@pytest.mark.parametrize("relation", WORDS["relation"])
def test_every_pair_of_a_relation_fits_and_shows_both(relation: str) -> None:
    rng = np.random.default_rng(0)
    for other in partners(relation)[::4]:
        noun = str(rng.choice(WORDS["noun"]))
        thing = instance(Description(noun, relation=relation, other=Description(other)), 0)
        assert np.linalg.norm(to_mesh(thing, detail=12).vertices, axis=1).max() <= 0.9 * 1.003
        alone = len(instance(Description(noun), 0).primitives)
        views = orbit([0, 90, 180, 270], 30, size=48)
        whole = render([thing], views)
        hidden = [render([Instance(thing.description, 0, [], thing.table[part], thing.distances)], views)
                  for part in (slice(alone, None), slice(0, alone))]  # fmt: skip
        for without in hidden:
            changed = ((whole - without).abs().amax(dim=2) > 0.05).sum(dim=(1, 2, 3))
            assert changed.max() >= 40, (noun, other)


def test_sizes_are_seen() -> None:
    covered = [make(f"a {size} car").primitives for size in ("tiny", "small", "", "big")]
    radius = [np.linalg.norm(support(parts, AXES)) for parts in covered]
    assert np.allclose(np.array(radius) / radius[2], [0.45, 0.65, 1.0, 1 / 0.9])
    small, big = bounds("a tiny cat next to a big pig", 0), bounds("a big cat next to a tiny pig", 0)
    assert np.ptp(small[0][:, 1]) < 0.5 * np.ptp(small[1][:, 1]) and np.ptp(big[0][:, 1]) > 2 * np.ptp(big[1][:, 1])


@pytest.mark.parametrize("noun", WORDS["noun"])
def test_every_noun_has_a_coat_for_finishes(noun: str) -> None:
    plain, dressed = make(noun), make(f"a spotted {noun}")
    assert len(plain.primitives) == len(dressed.primitives)
    coated = [p for p in dressed.primitives if p.finish == Finish.SPOTTED]
    assert coated and all(isinstance(p.color, Coat) or isinstance(p.second, Coat) for p in coated)
    views = orbit([20, 200], 30, size=32)
    changed = ((render([plain], views) - render([dressed], views)).abs().amax(dim=2) > 0.04).sum()
    assert changed > 0.05 * (render([plain], views)[:, :, 3] > 0.5).sum()


def test_finishes_differ_from_each_other() -> None:
    views = orbit([30, 210], 20, size=48)
    pictures = [render([make(f"a {finish} teapot")], views) for finish in ("", *WORDS["finish"])]
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert (one - other)[:, :, :3].abs().sum(dim=2)[one[:, :, 3] == 1].mean() > 0.05


def test_a_texture_grows_with_its_thing() -> None:
    """A small striped car is a striped car seen from farther away."""
    small, car = make("a small striped car"), make("a striped car")
    assert np.allclose([p.grain for p in small.primitives], [0.65 * p.grain for p in car.primitives])
    for noun in ("car", "lamp", "whale"):  # so that stripes are as wide on all things of one size
        coats = [p for p in make(f"a striped {noun}").primitives if p.finish == Finish.STRIPED]
        assert np.allclose([p.grain for p in coats], 1.0)
    near = render([car], orbit([40], 20, 3.0, size=65))
    scale = 0.65
    far = render([small], orbit([40], 20, 3.0 * scale, size=65))
    assert (near - far)[..., :3, :, :].abs().mean() < 0.02


def test_the_mesh_of_a_texture_holds_it() -> None:
    plain, checkered = to_mesh(make("a red car"), shaded=False), to_mesh(make("a checkered red car"), shaded=False)
    assert plain.colors is not None and checkered.colors is not None
    assert len(checkered.vertices) > 2 * len(plain.vertices)
    white = (checkered.colors.min(axis=1) > 0.85).mean() - (plain.colors.min(axis=1) > 0.85).mean()
    assert 0.1 < white < 0.6
    assert torch.tensor(checkered.colors).isfinite().all()
