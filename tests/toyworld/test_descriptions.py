from itertools import product

import numpy as np
import pytest

from dreamforge.toyworld import Description, count, draw, held_out, parse, vocabulary
from dreamforge.toyworld.descriptions import RELATIONS, partners, problem, wearable
from dreamforge.toyworld.figure import COLORS

WORDS = vocabulary()


def _one(noun: str) -> list[Description]:
    """Every description of one thing of that noun with at most one accessory, the slow way."""
    worn = [(), *(((name, color),) for name in wearable(noun) for color in (None, *WORDS["color"]))]
    everything = (
        Description(noun, color, worn_, finish=finish, size=size)
        for color in (None, *WORDS["color"])
        for finish in (None, *WORDS["finish"])
        for size in (None, *WORDS["size"])
        for worn_ in worn
    )
    return [description for description in everything if problem(description) is None]


def test_prompts_are_counted_exactly_and_are_many() -> None:
    assert count() > 100_000
    lamp, chair = len(_one("lamp")), len(_one("chair"))
    assert count(["lamp"]) == lamp + 4 * lamp**2  # nothing can be on a lamp or under it
    assert count(["lamp", "chair"]) == lamp + chair + (lamp + chair) * (6 * chair + 4 * lamp)


def test_what_is_drawn_is_possible_and_of_every_kind() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(rng) for _ in range(3000)]
    assert all(problem(description) is None for description in drawn)
    assert {description.noun for description in drawn} == set(WORDS["noun"])
    assert {description.relation for description in drawn} == {None, *RELATIONS}
    assert all((d.other is None) == (d.relation is None) for d in drawn)
    assert all(draw(rng, relations=False).other is None for _ in range(50))


@pytest.mark.parametrize("part", ["color", "finish"])
def test_held_out_takes_pairs_and_leaves_every_word(part: str) -> None:
    split = np.array([[held_out(Description(noun, **{part: word})) for word in WORDS[part]] for noun in WORDS["noun"]])
    assert 0.04 < split.mean() < 0.13
    assert split.any(axis=0).all()  # every word is also asked in a new combination
    assert (~split).mean(axis=0).min() > 0.7 and (~split).mean(axis=1).min() > 0.5


def test_a_held_out_pair_is_held_out_in_every_context() -> None:
    assert not any(held_out(Description(noun, size=size)) for noun, size in product(WORDS["noun"], WORDS["size"]))
    taken = next(f"{c} {n}" for n in WORDS["noun"] for c in WORDS["color"] if held_out(Description(n, c)))
    for context in ("a {}", "a small shiny {} in a top hat", "a ghost next to a {}", "a {} behind a cat, front view"):
        assert held_out(parse(context.format(taken))), context
    pairs = product(WORDS["noun"], partners("on"))
    split = [held_out(Description(a, relation="on", other=Description(b))) for a, b in pairs]
    assert 0.06 < np.mean(split) < 0.11
    rng = np.random.default_rng(3)
    assert 0.08 < np.mean([held_out(draw(rng)) for _ in range(3000)]) < 0.25


def test_colors_are_far_apart() -> None:
    """At least 20 units of CIELAB between any two, where 2 can just be told apart."""
    from dreamforge.toyworld.light_kernels import srgb_to_linear

    xyz = srgb_to_linear(np.array(list(COLORS.values()))) @ np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ).T / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    apart = np.linalg.norm(lab[:, None] - lab, axis=2) + 1e3 * np.eye(len(lab))
    near = np.unravel_index(apart.argmin(), apart.shape)
    assert apart.min() > 20, [list(COLORS)[i] for i in near]
