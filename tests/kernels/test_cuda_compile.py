"""Every CUDA source compiles for the GPUs we name, without a driver, and fits their registers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dreamforge.kernels import nvrtc, raster_antialias_cuda, raster_cuda, raster_texture_cuda, splat_cuda, volume_cuda
from dreamforge.kernels.harmonics_cuda import program as harmonics
from dreamforge.kernels.hashgrid_cuda import program as hashgrid
from dreamforge.kernels.nvrtc import Program

PROGRAMS = [
    *[hashgrid(features, half) for features in (2, 4) for half in (False, True)],
    *map(harmonics, (1, 4, 9, 16)),
    volume_cuda.PROGRAM, raster_cuda.PROGRAM, raster_antialias_cuda.PROGRAM, raster_texture_cuda.PROGRAM,
    splat_cuda.PROJECT, splat_cuda.RASTERIZE, *splat_cuda.LIST.values(),
]  # fmt: skip
needs_nvrtc = pytest.mark.skipif(nvrtc.compiler_problem() is not None, reason=str(nvrtc.compiler_problem()))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_no_source_is_left_out() -> None:
    assert {program.file for program in PROGRAMS} == {path.name for path in nvrtc.SOURCES.glob("*.cu")}


@needs_nvrtc
@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: " ".join([program.file, *program.definitions()[:2]]))
def test_compiles_without_spilling(program: Program, capability: int) -> None:
    code, log = nvrtc.build(program, [*nvrtc.options_for(program, f"sm_{capability}"), "--ptxas-options=-v"])
    assert code.startswith(b"\x7fELF")
    assert "warning" not in log
    kernels = re.findall(r"^KERNEL.*?(\w+)\($", program.source(), re.MULTILINE)
    figures = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    assert len(figures) == len(kernels) > 0
    assert all(figure == ("0", "0", "0") for figure in figures), log


@needs_nvrtc
def test_what_is_compiled_is_kept_until_the_source_or_the_gpu_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = nvrtc.compiled(PROGRAMS[0], 90)
    assert first.startswith(b"\x7fELF")
    assert nvrtc.compiled(PROGRAMS[0], 80) != first
    assert len(list(nvrtc.cache_folder("cuda").iterdir())) == 2
    text = PROGRAMS[0].source()
    with monkeypatch.context() as changed:
        changed.setattr(Program, "source", lambda self: text.replace("size == 0", "size < 0"))
        assert nvrtc.compiled(PROGRAMS[0], 90) != first
    monkeypatch.setattr(nvrtc, "build", lambda *_: pytest.fail("compiled again"))
    assert nvrtc.compiled(PROGRAMS[0], 90) == first


@needs_nvrtc
def test_a_gpu_newer_than_the_compiler_gets_ptx() -> None:
    assert b".target sm_" in nvrtc.compiled(PROGRAMS[0], 999)


@needs_nvrtc
def test_a_mistake_in_a_source_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Program, "source", lambda self: "__device__ int x = y;")
    with pytest.raises(RuntimeError, match=r"^NVRTC .* cannot compile hashgrid.cu .*sm_90.*error.*undefined$"):
        nvrtc.compiled(PROGRAMS[0], 90)
