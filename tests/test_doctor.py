"""What `doctor` says serves a kernel is what serves it, here and on machines it is made to believe in."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.machinery import ModuleSpec

import pytest
import torch

from dreamforge import doctor, kernels
from dreamforge.errors import UserError
from dreamforge.kernels import backend, nvrtc

CACHED = (kernels.choice, kernels.numba_problem, kernels.cuda_problem, nvrtc.compiler_problem)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Forget what was found out about this machine, before and after."""
    for moment in range(2):
        for function in CACHED:
            function.cache_clear()
        if moment == 0:
            yield


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an H100."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "an H100")


def rows() -> dict[str, tuple[str, str]]:
    return {what: (state, advice) for what, state, advice in doctor.findings()}


def served(device: str) -> dict[str, str]:
    return {name: backend(torch.device(device), name) for name in kernels.KERNELS}


def test_without_a_gpu_numba_serves() -> None:
    assert set(served("cpu").values()) == {"numba"}
    assert all(rows()[f"kernel {name}"][0].startswith("numba") for name in kernels.KERNELS)


def test_on_a_gpu_cuda_serves(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "compiler_problem", lambda: None)
    for name, implementation in served("cuda").items():
        state, advice = rows()[f"kernel {name}"]
        assert implementation == "cuda" and state.startswith("cuda") and not advice
    assert rows()["device"][0] == "an H100 (sm_90)"
    assert set(served("cpu").values()) == {"numba"}


def test_without_the_compiler_the_reference_serves(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "version", lambda: (_ for _ in ()).throw(ImportError("no")))
    assert set(served("cuda").values()) == {"torch"}
    assert "pip install 'dreamforge3d[cuda]'" in rows()["kernel hashgrid"][1]
    assert rows()["extra cuda"][0] == "missing"


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_the_reference_can_be_forced(device: str, gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMFORGE_KERNELS", "torch")
    assert set(served(device).values()) == {"torch"}


def test_what_cannot_serve_cannot_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMFORGE_KERNELS", "cuda")
    assert set(served("cpu").values()) == {"numba"}  # it speaks of GPUs only
    with pytest.raises(UserError, match="DREAMFORGE_KERNELS=cuda: no CUDA device"):
        served("cuda")
    monkeypatch.setenv("DREAMFORGE_KERNELS", "nunba")
    with pytest.raises(UserError, match="did you mean 'numba'"):
        served("cpu")


def test_libraries_that_are_there_but_not_used_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: ModuleSpec(name, None) if name == "gsplat" else None
    )
    state, advice = rows()["library gsplat"]
    assert "not used" in state and "nvcc" in advice
    assert "library nerfacc" not in rows()
