"""A run folder: it explains itself, nothing in it is ever overwritten by another run, and it can be picked up again.

    manifest.json   command, versions, seed, times, state
    config.yaml     the resolved configuration
    metrics.jsonl   a line every few steps
    preview/        contact sheets made while it runs
    checkpoints/    safetensors, the last two and the last of each stage
    assets/  report.html  turntable.mp4  contact.png
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dreamforge import config as configuration
from dreamforge.config import RunConfig
from dreamforge.errors import UserError


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that it is either whole or absent, whatever happens meanwhile."""
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, and of the same ending, that becomes `path` when all has gone well.

    Otherwise it is removed, and an OSError tells of `path` instead, the name that the caller knows.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@dataclass(frozen=True)
class Checkpoint:
    """Everything at a step boundary: `step` steps of stage `stage` are done."""

    stage: int
    step: int
    tensors: dict[str, Tensor]
    counters: dict[str, float]


class Run:
    """An open run folder."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder, self.config = folder, config
        self.started = time.time()

    @classmethod
    def create(cls, config: RunConfig, command: list[str], out: str | None = None) -> Run:
        """A new folder: `out`, or outputs/<words of the prompt>-<number>. UserError where it cannot be made."""
        try:
            folder = _claim(Path(out).expanduser() if out else None, config.prompt)
            for name in ("preview", "checkpoints", "assets"):
                (folder / name).mkdir()
        except OSError as error:
            place = out or "outputs"
            raise UserError(f"cannot make the run folder in {place}: {error.strerror}; choose another with --out") from error
        run = cls(folder, config)
        write_atomic(folder / "config.yaml", OmegaConf.to_yaml(configuration.plain(config)).encode())
        run.describe(command=command, state="running", created=_now(), versions=_versions(), git=_git_commit())
        return run

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """An existing run folder."""
        path = Path(folder).expanduser()
        if not (path / "config.yaml").is_file():
            raise UserError(f"{path} is not a run folder (it has no config.yaml); give one from outputs/")
        tree = OmegaConf.to_container(OmegaConf.load(path / "config.yaml"))
        return cls(path, configuration.typed(tree))

    def manifest(self) -> dict[str, Any]:
        """What manifest.json says so far."""
        path = self.folder / "manifest.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def describe(self, **facts: Any) -> None:
        """Add facts to manifest.json."""
        content = json.dumps({**self.manifest(), **facts}, indent=2)
        write_atomic(self.folder / "manifest.json", content.encode())

    def log(self, **figures: Any) -> None:
        """Append a line to metrics.jsonl."""
        with open(self.folder / "metrics.jsonl", "a") as stream:
            stream.write(json.dumps(figures) + "\n")

    def forget_after(self, stage: int, step: int) -> None:
        """Drop the metrics past a checkpoint, since resuming from it will write them again."""
        path = self.folder / "metrics.jsonl"
        if path.is_file():
            lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
            kept = [line for line in lines if (line["stage"], line["step"]) < (stage, step)]
            write_atomic(path, "".join(json.dumps(line) + "\n" for line in kept).encode())

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write it, then delete all but the newest two and the last of each stage, which shows what the stage came to."""
        header = {"stage": checkpoint.stage, "step": checkpoint.step, "counters": checkpoint.counters}
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in checkpoint.tensors.items()}
        name = f"stage{checkpoint.stage:02d}-step{checkpoint.step:06d}.safetensors"
        write_atomic(self.folder / "checkpoints" / name, save(tensors, {"checkpoint": json.dumps(header)}))
        files = self._checkpoint_files()
        for old, next_one in zip(files[:-2], files[1:-1], strict=True):
            if _stage_of(old) == _stage_of(next_one):
                old.unlink()

    def last_checkpoint(self, stage: int | None = None) -> Checkpoint | None:
        """The newest checkpoint that can be read, of all or of a stage, or None."""
        for path in reversed(self._checkpoint_files()):
            if stage is not None and _stage_of(path) != stage:
                continue
            try:
                with safe_open(path, "pt") as file:
                    header = json.loads(file.metadata()["checkpoint"])
                    return Checkpoint(
                        header["stage"], header["step"],
                        {name: file.get_tensor(name) for name in file.keys()},  # noqa: SIM118 (not a dict)
                        header["counters"],
                    )
            except (SafetensorError, OSError, KeyError, TypeError, ValueError):
                continue
        return None

    def newest_checkpoint(self) -> str | None:
        """The name of the newest checkpoint, such as "stage00-step000100", or None."""
        files = self._checkpoint_files()
        return files[-1].stem if files else None

    def _checkpoint_files(self) -> list[Path]:
        return sorted((self.folder / "checkpoints").glob("*.safetensors"))


def _stage_of(checkpoint: Path) -> int:
    return int(checkpoint.stem[len("stage") :].partition("-")[0])


def slug(text: str) -> str:
    """The words of a text as a folder's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-") or "run"


def _claim(out: Path | None, prompt: str) -> Path:
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UserError(f"{out} exists and is not an empty folder; nothing is overwritten, choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        return out
    root = Path("outputs")
    root.mkdir(exist_ok=True)
    number = 1
    while True:
        try:
            folder = root / f"{slug(prompt)}-{number:03d}"
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _versions() -> dict[str, str]:
    return {"dreamforge3d": version("dreamforge3d"), "torch": torch.__version__, "python": platform.python_version()}


def _git_commit() -> str | None:
    """The commit of a source checkout, or None for an installed package."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    result = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or None
