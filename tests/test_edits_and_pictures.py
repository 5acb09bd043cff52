"""Runs that start from a scene as it was, or are shown a picture: what they keep, and that they can be resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

import dreamforge
from dreamforge import pipeline
from dreamforge.cameras import orbit
from dreamforge.console import Console
from dreamforge.errors import UserError
from dreamforge.pictures import open_picture
from dreamforge.priors.toyworld import ToyWorld

SHORT = [
    "stages.0.steps=12", "stages.1.steps=8", "stages.1.size=24", "stages.0.size=24", "stages.0.scene.count=200",
    "checkpoint_every=5", "export.texture=64", "export.resolution=32", "prior.instances=2",
]


def scene_of(folder: Path) -> dict[str, torch.Tensor]:
    return pipeline.Run.open(folder).last_checkpoint().tensors


def make(folder: Path, recipe: str, *overrides: str, **settings: str) -> None:
    """The optimization alone: no export."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_finish", lambda *_: None)
        dreamforge.run("a red car", recipe, [*SHORT, *overrides], str(folder), **settings)


@pytest.mark.parametrize(("recipe", "stage"), [("dds", 1), ("dds", 2), ("isd", 1)])
def test_a_run_stopped_in_an_edit_or_beside_a_picture_resumes_to_the_same_bytes(
    recipe: str, stage: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would miss a source that is not kept, one taken anew from the scene as it is, and a picture drawn again otherwise."""
    extra = ["stages.2.steps=6", "stages.2.size=24"] if recipe == "dds" else []
    make(tmp_path / "whole", recipe, *extra)

    class Stop(Exception):
        pass

    def step(self: Console, index: int, what: object) -> None:
        if index == stage and what.step == 5:  # type: ignore[attr-defined]
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(Console, "step", step)
        with pytest.raises(Stop):
            make(tmp_path / "cut", recipe, *extra)
    monkeypatch.setattr(pipeline, "_finish", lambda *_: None)
    dreamforge.resume(tmp_path / "cut")
    whole, cut = scene_of(tmp_path / "whole"), scene_of(tmp_path / "cut")
    assert whole.keys() == cut.keys() and all(torch.equal(whole[key], cut[key]) for key in whole)
    if recipe == "dds":
        assert not torch.equal(whole["source.means"], whole["scene.means"])


def test_the_reference_is_the_users_picture_or_one_that_the_prior_draws(tmp_path: Path) -> None:
    """Drawn: the front of an instance, the same for the same seed. Given: that file, on white where it is transparent."""
    make(tmp_path / "drawn", "ipsds")
    drawn = open_picture(tmp_path / "drawn" / "reference.png")
    size = drawn.shape[-1]
    fronts = ToyWorld(instances=2).condition(["a red car"], orbit([0.0], 15.0, size=size)).data.pictures[0]
    assert (drawn - (fronts + 1) / 2).abs().mean((1, 2, 3)).min() < 0.02
    file = tmp_path / "given.png"
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(file)
    make(tmp_path / "given", "ipsds", image=str(file))
    assert open_picture(tmp_path / "given" / "reference.png").min() == 1
    with pytest.raises(UserError, match="uses no picture"):
        make(tmp_path / "none", "splats", image=str(file))
    with pytest.raises(UserError, match="cannot read the picture"):
        make(tmp_path / "none", "ipsds", image=str(tmp_path / "nothing.png"))
    assert not (tmp_path / "none").exists()


def test_a_reward_pulls_on_the_picture_and_one_that_cannot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a reward to choose by"):
        make(tmp_path / "none", "reward_sds", "stages.0.reward=null")
    make(tmp_path / "vp3d", "vp3d", "stages.0.steps=3", "stages.1.steps=3", "log_every=1")
    lines = (tmp_path / "vp3d" / "metrics.jsonl").read_text()
    assert '"reward": -' in lines
