import numpy as np
import pytest
import torch

from dreamforge.cameras import orbit
from dreamforge.prompts import view_words
from dreamforge.toyworld import held_out, instance, parse, render_each, render_pairs
from dreamforge.toyworld.lights import STUDIO, light


def test_pairs_are_a_pure_function_of_their_arguments() -> None:
    one, again, other = render_pairs(6, 3, 24), render_pairs(6, 3, 24), render_pairs(6, 4, 24)
    assert torch.equal(one.pictures, again.pictures) and one.captions == again.captions
    assert not torch.equal(one.pictures, other.pictures)
    assert one.pictures.shape == (6, 3, 24, 24) and one.pictures.min() >= 0 and one.pictures.max() <= 1


def test_captions_say_what_is_there_and_the_view_it_is_seen_from() -> None:
    pairs = render_pairs(200, 0, 8, view_word=0.5)
    assert [parse(text) for text in pairs.captions] == pairs.descriptions
    said = [d.view for d in pairs.descriptions]
    assert 70 < sum(view is not None for view in said) < 130
    assert all(view in (None, word) for view, word in zip(said, view_words(pairs.cameras), strict=True))
    assert {d.view for d in render_pairs(20, 0, 8, view_word=0.0).descriptions} == {None}


@pytest.mark.parametrize(("split", "expected"), [("train", {False}), ("held-out", {True}), ("all", {False, True})])
def test_the_split_is_kept(split: str, expected: set[bool]) -> None:
    assert {held_out(d) for d in render_pairs(60, 1, 8, split=split).descriptions} == expected


def test_cameras_are_the_default_samplers() -> None:
    cameras = render_pairs(300, 2, 8).cameras
    elevation = torch.rad2deg(cameras.elevation)
    assert -20 <= elevation.min() < -17 and 57 < elevation.max() <= 60
    assert "overhead" in view_words(render_pairs(50, 2, 8, elevations=(-20, 75)).cameras)
    assert torch.allclose(cameras.distance, torch.tensor(3.0))
    assert torch.allclose(cameras.fov, torch.deg2rad(torch.tensor(40.0)))
    assert torch.histc(cameras.azimuth, 4, -torch.pi, torch.pi).min() > 50


def test_a_set_of_views_shows_one_thing_from_all_around() -> None:
    pairs = render_pairs(5, 0, 32, views=4, view_word=1.0)
    assert len(pairs.captions) == len(pairs.pictures) == len(pairs.cameras) == 20
    azimuth = pairs.cameras.azimuth.view(5, 4)
    assert torch.allclose(torch.cos(azimuth[:, 1:] - azimuth[:, :-1]), torch.zeros(5, 3), atol=1e-5)
    elevation = pairs.cameras.elevation.view(5, 4)
    assert torch.allclose(elevation, elevation[:, :1].expand(5, 4), atol=1e-5) and elevation[:, 0].std() > 0.1
    corners = pairs.pictures[:, :, 0, 0].view(5, 4, 3)
    assert torch.equal(corners, corners[:, :1].expand(5, 4, 3)) and len(corners[:, 0].unique(dim=0)) == 5
    for i in range(0, 20, 4):
        assert len({d.noun for d in pairs.descriptions[i : i + 4]}) == 1
        assert len({d.view for d in pairs.descriptions[i : i + 4]}) >= 2


def test_light_falls_where_it_comes_from_and_has_its_warmth() -> None:
    ball, camera = [instance(parse("a white snowman"), 0)], orbit([0], 0, size=48)

    def seen(*lamp: np.ndarray) -> torch.Tensor:
        return render_each(ball, camera, lamp)[0]

    assert torch.equal(render_each(ball, camera)[0], seen(STUDIO))
    for side, near, far in ((-1.0, slice(0, 24), slice(24, 48)), (1.0, slice(24, 48), slice(0, 24))):
        picture = seen(light((side, 0.3, 0.3)))[:3]
        assert picture[:, :, near].sum() > 1.1 * picture[:, :, far].sum()
    warm, cold = seen(light((0, 0.5, 1), warmth=0.2)), seen(light((0, 0.5, 1), warmth=-0.2))
    assert warm[0].sum() > cold[0].sum() and warm[2].sum() < cold[2].sum()
    assert seen(light((0, 0.5, 1), key=0.8)).sum() > seen(light((0, 0.5, 1), key=0.4)).sum()
    fixed, varied = render_pairs(4, 0, 24, vary_light=False), render_pairs(4, 0, 24)
    assert fixed.descriptions[0].noun == varied.descriptions[0].noun
    assert not torch.equal(fixed.pictures, varied.pictures)
