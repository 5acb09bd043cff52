"""What the benches report adds up, and they leave what they measure as it was."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from dreamforge.bench import cases, kernels, report, step
from dreamforge.bench.cases import CASES, Case
from dreamforge.bench.clock import Clock, Times
from dreamforge.bench.kernels import forced, measure
from dreamforge.bench.priors import RANDOM, random_prior
from dreamforge.cli import main
from dreamforge.kernels import backend
from dreamforge.optimize import optimize

CPU = torch.device("cpu")


def test_the_clock_and_the_median() -> None:
    clock = Clock(CPU)
    start = clock.mark()
    time.sleep(0.02)
    assert 20 <= clock.between(start, clock.mark()) < 2000
    assert Times.of([3.0, 1.0, 2.0]) == Times(2.0, 1.0, 3)


def test_a_case_is_served_by_each_implementation_in_turn() -> None:
    order = []

    def make(device: torch.device):  # noqa: ANN202
        def call() -> None:
            order.append(backend(device, "hashgrid"))

        return call

    row = measure(Case("hashgrid", "none", make), CPU, seconds=0)
    assert order == ["numba", "torch"] * 3  # one call each that is not counted
    assert [times.count for times in row.times.values()] == [2, 2] and row.ratio > 0
    order.clear()
    row = measure(Case("hashgrid", "none", make, "once"), CPU, seconds=0)
    assert order == ["numba"] * 3 + ["torch"] and row.times["torch"].count == 1
    assert list(measure(Case("hashgrid", "none", make, "never"), CPU, seconds=0).times) == ["numba"]
    with forced("torch"):
        alone = measure(Case("hashgrid", "none", make), CPU, seconds=0)
    assert list(alone.times) == ["torch"] and alone.ratio is None


def test_every_case_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The smaller ones through the command, and a mesh by itself."""
    small = [case for case in CASES if case.size in ("L12 T2^15 65k, forward", "degree 3, 10k, 4 views")]
    assert all(grad.abs().sum() > 0 for grad in cases._mesh(CPU, 10, 2, 32, 16)())
    monkeypatch.setattr(report, "CASES", small)
    monkeypatch.setattr(kernels, "SECONDS", 0.0)
    monkeypatch.setattr(kernels.measure, "__defaults__", (0.0,))
    assert main(["bench", "kernels", "--json", str(tmp_path / "out.json")]) == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert [row["kernel"] for row in written["rows"]] == ["hashgrid", "harmonics"]
    assert all(row["times"]["numba"]["median"] > 0 for row in written["rows"])
    assert "hashgrid" in capsys.readouterr().out
    assert main(["bench", "kernels", "--json", str(tmp_path / "nowhere" / "out.json")]) == 2


def test_the_dense_reference_in_bands_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    with forced("torch"):
        whole = cases._splat(CPU, 40, 2, 24)()
        monkeypatch.setattr(cases, "DENSE_PAIRS", 40 * 24 * 7)
        banded = cases._splat(CPU, 40, 2, 24)()
    fast = cases._splat(CPU, 40, 2, 24)()
    for one, other, third in zip(whole, banded, fast, strict=True):
        scale = 1e-4 * one.abs().max()
        assert (one - other).abs().max() < scale and (one - third).abs().max() < scale


def test_a_step_is_the_sum_of_its_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(step, "STEPS", 3)
    monkeypatch.setattr(step, "SHARE", 200)
    scenes, steps = [], []

    def watched(stage, scene, prior, *rest, **options):  # noqa: ANN001, ANN202
        if stage.lr == 0:
            scenes.append((scene, {name: value.clone() for name, value in scene.state_dict().items()}))
        for done in optimize(stage, scene, prior, *rest, **options):
            steps.append(stage.lr)
            yield done

    monkeypatch.setattr(step, "optimize", watched)
    path = tmp_path / "step.json"
    assert main(["bench", "step", "--json", str(path), "stages.0.scene.count=200", "stages.1.size=32"]) == 0
    rows = json.loads(path.read_text())["rows"]
    assert [row["stage"] for row in rows] == ["form", "detail"] and steps.count(0.0) == 2 * (3 + step.UNCOUNTED)
    for row in rows:
        assert sum(row["parts"].values()) == pytest.approx(row["step"]["median"])
        assert row["parts"]["condition"] > 0 and row["parts"]["render"] > 0 and row["prior"]["median"] > 0
        assert row["ratio"]["count"] == 3
    for scene, before in scenes:
        assert torch.equal(scene.means, before["means"]) and "render" not in vars(scene)


def test_random_priors_are_the_sizes_they_say() -> None:
    pytest.importorskip("diffusers")
    small = random_prior("unet", CPU)
    assert 4e6 < sum(p.numel() for p in small.unet.parameters()) < 7e6
    rgb = torch.rand(2, 3, 128, 128, requires_grad=True)
    z = small.encode(rgb)
    assert z.shape == (2, 12, 32, 32) and torch.allclose(small.decode(small.encode(torch.ones(1, 3, 64, 64))), torch.ones(1))
    conditions = [small.condition(["a cat", "a dog"]), small.condition(["", ""])]
    one, other = small.predict(z.detach(), torch.tensor([10, 900]), conditions)
    assert one.shape == z.shape and not torch.equal(one, other)
    big = RANDOM["sd21"](torch.device("meta"))  # the architecture, without the weights
    assert sum(p.numel() for p in big.unet.parameters()) == 865_910_724
    assert big.size == 512 and big.embedding == (77, 1024)
