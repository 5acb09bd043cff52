"""Training teaches, resumes to the bit, and writes folders that the libraries' own loaders read."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("diffusers")

from dreamforge.cameras import orbit
from dreamforge.ember import networks, tools
from dreamforge.ember.clip import ClipScorer
from dreamforge.ember.data import Stream
from dreamforge.ember.fit import _step, fit, make_optimizers
from dreamforge.ember.muon import Muon, suits
from dreamforge.ember.tasks import SHARES, TASKS
from dreamforge.ember.tasks.unet import SHIFT, SNR_CAP, UnetTask, noise, timesteps, velocity_losses
from dreamforge.errors import UserError
from dreamforge.priors.diffusers import Diffusers
from dreamforge.priors.multiview import Multiview
from dreamforge.rng import generator
from tests.ember.conftest import CPU, budget, shrink


@pytest.mark.parametrize("name", TASKS)
def test_a_few_steps_on_one_batch_reduce_the_loss(name: str, tiny: Path) -> None:
    torch.manual_seed(1)
    task = TASKS[name](tiny, CPU)
    task.model.train()
    optimizers = make_optimizers(task)
    batch = task.prepare(next(Stream(0, task.batch // task.views, task.views, task.size).batches()))
    random = partial(generator, 0)  # the same noise and timesteps every time
    losses = [_step(task, batch, random, optimizers, 1.0)["loss"].item() for _ in range(24)]
    assert losses[-1] < 0.97 * losses[0]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_moves_a_convolution_alike_in_all_directions(layout: torch.memory_format) -> None:
    layer = torch.nn.Conv2d(32, 16, 3).to(memory_format=layout)
    before = layer.weight.detach().clone()
    optimizer = Muon([layer.weight], lr=1e-2)
    layer(torch.randn(4, 32, 8, 8, generator=generator(0))).square().mean().backward()
    steep = layer.weight.grad.flatten(1)
    optimizer.step()
    change = (before - layer.weight).detach().flatten(1)
    assert (change * steep).sum() > 0
    gradient, moved = (torch.linalg.svdvals(matrix) for matrix in (steep, change))
    assert gradient[0] > 2.5 * gradient[-1] and moved[0] < 1.8 * moved[-1]
    assert change.square().mean().sqrt() == pytest.approx(0.2 * 1e-2, rel=0.3)  # as AdamW would


def test_muon_leaves_embeddings_and_small_heads_to_adamw() -> None:
    table, weight = torch.zeros(64, 32), torch.zeros(32, 32, 3, 3)
    assert suits("unet.down.conv.weight", weight) and suits("text.q_proj.weight", table)
    assert not suits("text.token_embedding.weight", table) and not suits("conv_in.weight", torch.zeros(32, 8, 3, 3))
    assert not suits("norm.weight", torch.zeros(32))


@pytest.mark.parametrize(("minutes", "compiled"), [(1.0, []), (60.0, ["unet", "text"])])
def test_only_a_long_training_is_compiled(
    minutes: float, compiled: list[str], tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: asked.append(self))
    monkeypatch.setattr(tools, "fit", lambda name, task, folder, budget, *rest: fit(
        name, task, folder, replace(budget, steps=0), *rest
    ))  # fmt: skip
    monkeypatch.setattr(tools.shutil, "which", lambda name: "/usr/bin/g++")
    shrink(monkeypatch)
    made = []
    monkeypatch.setitem(TASKS, "unet", lambda *args: made.append(UnetTask(*args)) or made[0])
    tools.train("unet", out=tiny, minutes=minutes, device="cpu", say=lambda text: None)
    assert asked == [made[0].model[name] for name in compiled]


@pytest.mark.parametrize(("name", "moment"), [("vae", "exp_avg_sq."), ("clip", "momentum_buffer.")])
def test_a_resumed_training_is_the_uninterrupted_one_to_the_bit(
    name: str, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch)
    for folder, stops in (("whole", [4]), ("parts", [1, 3, 4])):
        for steps in stops:
            torch.manual_seed(0)
            fit(name, TASKS[name](tmp_path, CPU), tmp_path / folder, budget(steps), 0, lambda text: None)
    whole, parts = (load_file(tmp_path / folder / f"{name}.safetensors") for folder in ("whole", "parts"))
    assert whole.keys() == parts.keys() and all(torch.equal(whole[key], parts[key]) for key in whole)
    assert any(key.startswith(moment) for key in whole)
    written = [load_file(next((tmp_path / folder).glob("*/*model.safetensors"))) for folder in ("whole", "parts")]
    assert all(torch.equal(written[0][key], written[1][key]) for key in written[0])
    log = [json.loads(line) for line in (tmp_path / f"parts/{name}.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [1, 3, 4] and log[-1]["pictures"] == 16


def test_a_vision_tower_begins_by_looking_around_each_patch() -> None:
    torch.manual_seed(0)
    vision = networks.clip(networks.tokenizer(), width=128, layers=1).vision_model.requires_grad_(False)
    places = vision.embeddings.position_embedding.weight[1:]
    attention = vision.encoder.layers[0].self_attn
    query, key = (layer.weight.view(4, 32, 128) for layer in (attention.q_proj, attention.k_proj))
    pull = torch.einsum("ia,hka,hkb,jb->ij", places, query, key, places).view(8, 8, 8, 8)[4, 4]
    assert pull.argmax() == 4 * 8 + 4 and pull[4, 5] > pull[4, 7] > 0.3 * pull[4, 5]
    change = attention.out_proj.weight @ attention.v_proj.weight
    assert change.diagonal().mean() == pytest.approx(-0.4, abs=0.02)


def test_a_checkpoint_of_another_architecture_is_refused(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "autoencoder", partial(networks.autoencoder.func, width=16))
    with pytest.raises(UserError, match="another architecture"):
        fit("vae", TASKS["vae"](tiny, CPU), tiny, budget(2), 0, lambda text: None)


def test_velocity_is_measured_and_weighted_as_said() -> None:
    process, z = noise(CPU), torch.randn(3, 8, 4, 4, generator=generator(0))
    random, t = partial(generator, 5), torch.tensor([10, 500, 999])
    eps = torch.randn(z.shape, generator=random("noise"))

    def true(z_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        alpha, sigma = process.alpha_sigma(t, z_t)
        assert torch.allclose(process.epsilon(alpha * eps - sigma * z, z_t, t), eps, atol=1e-5)
        return alpha * eps - sigma * z

    assert velocity_losses(process, z, random, true, t)["loss"] == 0
    for at in range(3):
        loss = velocity_losses(process, z[at : at + 1], random, lambda z_t, t: 0 * z_t, t[at : at + 1])
        snr = (process.alphas[t[at]] / process.sigmas[t[at]]) ** 2
        assert float(loss["loss"] / loss["v"]) == pytest.approx(min(1.0, (SNR_CAP + 1) / (float(snr) + 1)), rel=1e-3)
    assert 0 < process.alphas[-1] < 1e-3  # nothing of the picture is left at the last step, and nothing divides by zero


def test_timesteps_are_spread_and_shifted_towards_noise() -> None:
    t = timesteps(10, partial(generator, 2), 1000)
    assert t.tolist() != sorted(t.tolist())
    even = t / 1000 / (SHIFT - (SHIFT - 1) * t / 1000)
    assert sorted((10 * even + 5e-3).long().tolist()) == list(range(10))
    assert (timesteps(1000, partial(generator, 2), 1000) > 1000 * SHIFT / (1 + SHIFT)).sum() == 500


def test_the_folders_load_with_the_stock_classes(tiny: Path) -> None:
    from diffusers import DiffusionPipeline
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    pipe = DiffusionPipeline.from_pretrained(tiny / "ember")
    pipe.set_progress_bar_config(disable=True)
    drawn = pipe("a red car", num_inference_steps=2, output_type="pt", generator=generator(0)).images
    assert drawn.shape == (1, 3, 32, 32) and drawn.isfinite().all()
    loaded = load_file(tiny / "ember/unet/diffusion_pytorch_model.safetensors")
    assert all(tensor.dtype == torch.float16 for tensor in loaded.values())
    state = load_file(tiny / "unet.safetensors")
    assert torch.equal(loaded["conv_in.weight"], state["average.unet.conv_in.weight"].half())  # the averaged weights

    clip = CLIPModel.from_pretrained(tiny / "ember-clip", dtype=torch.float32)
    picture, texts = (torch.rand(3, 64, 64) * 255).round().byte(), ["a red car", "a corgi in a top hat"]
    pixels = CLIPImageProcessor.from_pretrained(tiny / "ember-clip")(picture, return_tensors="pt").pixel_values
    ids = CLIPTokenizer.from_pretrained(tiny / "ember-clip")(texts, padding="max_length", return_tensors="pt").input_ids
    logits = clip(input_ids=ids, pixel_values=pixels).logits_per_image
    ours = ClipScorer(tiny / "ember-clip").scores(picture[None].float() / 255, texts)
    assert torch.allclose(ours * clip.logit_scale.exp(), logits, atol=1e-3)


def test_clip_scores_pull_on_the_pictures(tiny: Path) -> None:
    scorer = ClipScorer(tiny / "ember-clip")
    pictures = torch.rand(2, 3, 96, 96, generator=generator(0), requires_grad=True)
    scores = scorer.scores(pictures, ["a red car", "a blue duck", ""])
    assert scores.shape == (2, 3) and scores.abs().max() <= 1 + 1e-5
    scores[0, 1].backward()
    assert pictures.grad[0].abs().max() > 0 and pictures.grad[1].abs().max() == 0
    with torch.no_grad():
        better = scorer.scores(pictures + 1e-3 * pictures.grad / pictures.grad.norm(), ["a blue duck"])[0, 0]
    assert better > scores[0, 1]


def test_views_of_a_set_attend_to_each_other_and_to_their_cameras(tiny: Path) -> None:
    prior = Multiview(model=str(tiny / "ember-mv"))
    around = orbit([0.0, 90.0, 180.0, 270.0] * 2, 15.0)
    z, t = torch.randn(8, 8, 4, 4, generator=generator(0)), torch.full((8,), 500)
    asked = prior.condition(["a car"] * 8, around)
    before = prior.predict(z, t, [asked])[0]
    other = z.clone()
    other[0] += 1.0
    moved = (prior.predict(other, t, [asked])[0] - before).flatten(1).abs().amax(1)
    assert (moved[1:4] > 1e-6).all() and (moved[4:] < 1e-6).all()
    with torch.no_grad():
        prior.unet.class_embedding.linear_2.weight.normal_()
    turned = prior.condition(["a car"] * 8, orbit([0.0, 90.0, 180.0, 200.0] * 2, 15.0))
    first, second = prior.predict(z, t, [asked, turned])
    assert (first[3] - second[3]).abs().max() > 1e-4
    for bad in ((["a"] * 4, None), (["a"] * 3, around[:3])):
        with pytest.raises(UserError, match="4 views"):
            prior.condition(*bad)


def test_multiview_training_begins_as_ember(tiny: Path) -> None:
    torch.manual_seed(0)
    task, single = TASKS["multiview"](tiny, CPU), Diffusers(model=str(tiny / "ember"))
    alone = Multiview.of(networks.pipeline(task.model, task.text, task.vae), CPU, views=1)
    z, t = torch.randn(2, 8, 4, 4), torch.tensor([100, 900])
    texts = ["a red car", "a corgi"]
    ours = alone.predict(z, t, [alone.condition(texts, orbit([0.0, 77.0], 5.0))])[0]
    assert torch.allclose(ours, single.predict(z, t, [single.condition(texts)])[0], atol=1e-5)


def test_the_adapter_lets_the_image_alone_change_the_prediction(tiny: Path) -> None:
    plain, adapted = Diffusers(model=str(tiny / "ember")), Diffusers(model=str(tiny / "ember"), adapter="own")
    z, t = torch.randn(2, 8, 4, 4, generator=generator(0)), torch.tensor([300, 800])
    red, blue = torch.zeros(3, 48, 48), torch.zeros(3, 48, 48)
    red[0], blue[2] = 1.0, 1.0

    def told(image: torch.Tensor | None) -> torch.Tensor:
        return adapted.predict(z, t, [adapted.condition(["a car", "a cat"], image=image)])[0]

    assert (told(red) - told(blue)).abs().max() > 1e-5
    assert torch.allclose(told(red), told(torch.stack([red, red])), atol=1e-5)
    each = told(torch.stack([red, blue]))
    assert torch.allclose(each[0], told(red)[0], atol=1e-5) and torch.allclose(each[1], told(blue)[1], atol=1e-5)
    assert (told(None) - told(red)).abs().max() > 1e-5
    both = adapted.predict(z, t, [adapted.condition(["a car", "a cat"], image=i) for i in (red, None)])
    assert torch.allclose(both[0], told(red), atol=1e-5) and torch.allclose(both[1], told(None), atol=1e-5)
    adapted.pipe.set_ip_adapter_scale(0.0)
    assert torch.allclose(told(red), plain.predict(z, t, [plain.condition(["a car", "a cat"])])[0], atol=1e-5)
    with pytest.raises(UserError, match="prior.adapter"):
        plain.condition(["a car"], image=red)


def test_samples_and_figures_by_command(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    model, out = str(tiny / "ember"), tmp_path / "grid.png"
    tools.write_samples(["a red car", "a corgi"], str(out), takes=2, model=model, steps=2)
    assert Image.open(out).size == (2 * 36 + 4, 2 * 36 + 4)
    with pytest.raises(UserError, match="'automobil'.*automobile"):
        tools.write_samples(["a red automobil"], str(out), model=model)
    monkeypatch.setattr("dreamforge.ember.evaluate.RETRIEVED", 8)
    lines = list(tools.judged(str(tiny / "ember-clip"), model=model, steps=1))
    assert [line.split()[0] for line in lines] == ["retrieval", "ground", model]
    with pytest.raises(UserError, match="did you mean 'clip'"):
        tools.train("clipp")
    assert SHARES.keys() == TASKS.keys() and sum(SHARES.values()) == pytest.approx(1)
