"""The diffusers wrapper, on tiny random checkpoints written to disk: its predictions equal the network's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

from dreamforge.contracts import PromptConditions
from dreamforge.errors import UserError
from dreamforge.objectives.sds import sds
from dreamforge.priors.diffusers import Diffusers
from dreamforge.priors.guidance import guided
from tests.priors.checkpoints import stable_diffusion
from tests.priors.pipelines import whole


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def prior(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Diffusers:
    return Diffusers(model=str(stable_diffusion(tmp_path_factory.mktemp("sd"), request.param)))


def test_prediction_is_the_networks_own_converted_to_epsilon(prior: Diffusers) -> None:
    z, t, pipe = torch.randn(2, 4, 8, 8), torch.tensor([100, 800]), whole(prior.place.folder)
    eps = prior.predict(z, t, [prior.condition(["a cat", "a dog"]), prior.condition(["", ""])])
    for prompts, answer in zip((["a cat", "a dog"], ["", ""]), eps, strict=True):
        tokens = pipe.tokenizer(prompts, padding="max_length", max_length=16, truncation=True, return_tensors="pt")
        raw = pipe.unet(z, t, encoder_hidden_states=pipe.text_encoder(tokens.input_ids)[0]).sample
        alpha, sigma = prior.noise.alpha_sigma(t, z)
        expected = raw if prior.noise.prediction == "epsilon" else alpha * raw + sigma * z
        assert torch.allclose(answer, expected, atol=1e-4)
    assert (eps[0] - eps[1]).abs().max() > 1e-4  # the text matters


def test_guidance_takes_one_batched_forward(prior: Diffusers, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = prior.unet.forward
    monkeypatch.setattr(prior.unet, "forward", lambda *a, **k: calls.append(a[0].shape) or forward(*a, **k))
    prompt = PromptConditions(lambda: prior.condition(["a"] * 3), lambda: prior.condition([""] * 3))
    guided(prior, torch.randn(3, 4, 8, 8), torch.tensor([5, 50, 500]), prompt, 7.5)
    assert calls == [(6, 4, 8, 8)]


def test_gradient_reaches_the_picture_through_the_encoder(prior: Diffusers) -> None:
    rgb = torch.rand(2, 3, 16, 16, requires_grad=True)
    z = prior.encode(rgb)
    assert z.shape == (2, 4, 8, 8)
    assert torch.allclose(
        z, prior.vae.encode(2 * rgb - 1).latent_dist.mean * prior.vae.config.scaling_factor, atol=1e-5
    )
    prompt = PromptConditions(lambda: prior.condition(["a cat"] * 2), lambda: prior.condition([""] * 2))
    grad = sds(z.detach(), torch.tensor([100, 800]), torch.randn_like(z), prior, prompt).grad
    z.backward(grad)
    assert rgb.grad.abs().max() > 0
    assert all(p.grad is None for p in prior.unet.parameters())
    assert prior.decode(z).shape == (2, 3, 16, 16)


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path) -> None:
    for model, message in ((str(tmp_path), "model_index.json"), ("", "name a folder")):
        with pytest.raises(UserError, match=message) as caught:
            Diffusers(model=model)
        assert "\n" not in str(caught.value)
