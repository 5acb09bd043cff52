"""The training loop of everything in ember: seeded, resumable to the bit, logged, and honest about the time left."""

from __future__ import annotations

import functools
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dreamforge.ember import muon
from dreamforge.ember.data import Examples, Stream
from dreamforge.ember.team import Team
from dreamforge.ember.tokenizer import every_word
from dreamforge.errors import UserError
from dreamforge.pictures import save_picture
from dreamforge.rng import generator
from dreamforge.runs import write_atomic

SAVE_EVERY, SAY_EVERY, DRAW_EVERY = 180.0, 30.0, 900.0  # seconds
WARMUP, COOLDOWN = 100, 0.25  # steps; the last share of the minutes, in which the learning rate falls to nothing
LONGEST_AVERAGE = 0.9995  # the slowest decay of the weights' moving average
APART = 1000  # between the seeds of processes that train together

Random = Callable[[str], torch.Generator]


class Task(Protocol):
    """Something to train.

    model: the module whose parameters learn. views: sides from which each object is shown, one after the other. size:
    pixels a side. batch: pictures in a batch on a CPU; lr: of AdamW with it. Larger batches take it times the root of their
    share, four times at most. muon: the rate of Muon for the weights inside the network (0: AdamW for them too).
    reuse: how often an object is shown, at least. bf16: whether a CPU that has it is the faster for it; a GPU always is.
    compiled: the parts of the model that are worth compiling.
    """

    model: nn.Module
    views: int
    size: int
    batch: int
    lr: float
    muon: float = 0.0
    reuse: int = 1
    bf16: bool = False
    compiled: Sequence[str] = ()

    def prepare(self, examples: Examples) -> Examples:
        """What is worth doing once to new objects, however often they are shown."""
        return examples

    def losses(self, examples: Examples, random: Random) -> dict[str, Tensor]:
        """Scalars by name; "loss" is what descends. `random(purpose)` gives the step's generators."""
        ...

    def picture(self) -> Tensor:
        """A contact sheet `[3,h,w]` of what it can do by now."""
        ...

    def write(self, folder: Path) -> None:
        """The result in its standard format, below `folder`."""
        ...


@dataclass
class Budget:
    """How the machine is used. minutes, steps: when to stop, counting what earlier runs did. batch: times the task's.
    compile: whether to spend two minutes on faster steps. team: the processes that train together."""

    device: torch.device
    batch: int
    reuse: int
    workers: int
    minutes: float
    steps: int = 2**40
    compile: bool = False
    team: Team = Team()


@dataclass
class State:
    """How far a training is: steps done, pictures seen, seconds spent."""

    step: int = 0
    pictures: int = 0
    seconds: float = 0.0


def fit(name: str, task: Task, folder: Path, budget: Budget, seed: int, say: Callable[[str], None]) -> State:
    """Train until the budget is spent, from the checkpoint `folder`/NAME.safetensors where there is one, then write.

    Beside it: NAME.jsonl, a line of figures every few seconds, and NAME-<pictures>.png, what it could do by then.
    """
    team = budget.team
    leads, seed = team.rank == 0, seed + APART * team.rank
    folder.mkdir(parents=True, exist_ok=True)
    task.model.to(budget.device).train()
    average = {key: value.detach().clone() for key, value in task.model.named_parameters()}
    optimizers = make_optimizers(task, min(4.0, (budget.batch * team.size) ** 0.5))
    compiled = task.compiled if budget.compile else ()
    for part in compiled:
        task.model.get_submodule(part).compile()
    if compiled:
        warnings.filterwarnings("ignore", "Dynamo detected a call to a `functools.lru_cache`")
    if compiled and leads:
        say(f"{name}: compiling, so that the first step takes two to three minutes")
    checkpoint = folder / f"{name}.safetensors"
    state = _restore(checkpoint, task.model, average, optimizers) if checkpoint.is_file() else State()
    batch = budget.batch * task.batch
    stream = Stream(
        seed, batch // task.views, task.views, task.size, max(budget.reuse, task.reuse), workers=budget.workers
    )
    began, before, pictures_before = time.monotonic(), state.seconds, state.pictures
    saved = said = drawn = began
    done = state.step >= budget.steps or state.seconds >= 60 * budget.minutes
    for examples in () if done else stream.batches(state.step, task.prepare):
        rate = min(1.0, (1 + state.step) / WARMUP, (1 - state.seconds / (60 * budget.minutes)) / COOLDOWN)
        losses = _step(task, examples, partial(generator, seed, name, state.step), optimizers, rate, team)
        decay = min(LONGEST_AVERAGE, (1 + state.step) / (10 + state.step))
        torch._foreach_lerp_(list(average.values()), list(task.model.parameters()), 1 - decay)
        state.step += 1
        state.pictures += len(examples) * team.size
        now = time.monotonic()
        state.seconds = team.agreed(before + now - began, budget.device)
        done = state.step >= budget.steps or state.seconds >= 60 * budget.minutes
        if leads and (done or now - said > SAY_EVERY):
            speed = (state.pictures - pictures_before) / (now - began)
            _report(name, folder, state, losses, speed, budget, say)
            said = now
        if leads and (done or now - saved > SAVE_EVERY):
            _save(checkpoint, task.model, average, optimizers, state)
            saved = now
        if done:
            break
        if leads and now - drawn > DRAW_EVERY:
            _show(name, task, folder, average, state)
            drawn = now
    if leads:
        with averaged(task.model, average), as_written():
            task.write(folder)
        drawing = _show(name, task, folder, average, state)
        say(f"{name}: {state.pictures:,} pictures in {state.seconds / 60:.1f} min; {drawing}")
    team.agreed(state.seconds, budget.device)  # nobody goes on before it is written
    return state


def make_optimizers(task: Task, scale: float = 1.0) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon for the weights inside the network where a task says so; rates times `scale`."""
    named = dict(task.model.named_parameters())
    inner = [key for key, value in named.items() if task.muon and muon.suits(key, value)]
    others = [value for key, value in named.items() if key not in inner]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(others, lr=scale * task.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    ]
    if inner:
        optimizers.append(muon.Muon([named[key] for key in inner], lr=scale * task.muon))
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["full_lr"] = group["lr"]
    return optimizers


def _step(
    task: Task, examples: Examples, random: Random, optimizers: list[torch.optim.Optimizer], rate: float,
    team: Team = Team(),
) -> dict[str, Tensor]:  # fmt: skip
    """One update at `rate` times the full learning rates, in bf16 where that is the faster."""
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["lr"] = rate * group["full_lr"]
    device = next(task.model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or task.bf16 and cpu_has_bf16()):
        losses = task.losses(examples, random)
    task.model.zero_grad(set_to_none=True)
    losses["loss"].backward()
    team.average_gradients(task.model.parameters())
    nn.utils.clip_grad_norm_(task.model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
    return losses


@functools.cache
def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware, twice as fast as fp32; elsewhere it is emulated, some forty times slower."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _report(
    name: str, folder: Path, state: State, losses: dict[str, Tensor], speed: float, budget: Budget,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    figures = {key: round(value.item(), 5) for key, value in losses.items()}
    if not all(map(torch.isfinite, losses.values())):
        raise UserError(f"{name}: the loss is {figures['loss']} at step {state.step}; try another --seed")
    with open(folder / f"{name}.jsonl", "a") as log:
        log.write(json.dumps({**vars(state), "rate": round(speed, 2), **figures}) + "\n")
    left = max(0.0, budget.minutes - state.seconds / 60)
    shown = "  ".join(f"{key} {value:.3g}" for key, value in figures.items())
    say(f"{name}  {state.pictures:,} pictures  {speed:.1f} a second  {shown}  {left:.1f} min left")


def _show(name: str, task: Task, folder: Path, average: dict[str, Tensor], state: State) -> Path:
    with averaged(task.model, average), as_written():
        path = folder / f"{name}-{state.pictures:08d}.png"
        save_picture(task.picture(), path)
    return path


def as_written() -> AbstractContextManager[None]:
    """Within, nothing is compiled: not for the few pictures of a look."""
    return torch.compiler.set_stance("force_eager")


@contextmanager
def averaged(model: nn.Module, average: dict[str, Tensor]) -> Iterator[None]:
    """Within, the model has its averaged weights and does not learn."""
    own = {key: value.detach().clone() for key, value in model.named_parameters()}
    model.load_state_dict(average, strict=False)
    model.eval()
    try:
        yield
    finally:
        model.load_state_dict(own, strict=False)
        model.train().requires_grad_(True)


def _save(
    path: Path, model: nn.Module, average: dict[str, Tensor], optimizers: list[torch.optim.Optimizer], state: State
) -> None:
    tensors, learned = {}, _learned(optimizers)
    for key, value in model.named_parameters():
        optimizer, learned_as = learned[value]
        tensors |= {f"weights.{key}": value, f"average.{key}": average[key]}
        tensors |= {f"{slot}.{key}": tensor for slot, tensor in optimizer.state[learned_as].items()}
    content = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    write_atomic(path, save(content, {"state": json.dumps(vars(state)), "words": " ".join(every_word())}))


def _restore(
    path: Path, model: nn.Module, average: dict[str, Tensor], optimizers: list[torch.optim.Optimizer]
) -> State:
    learned = _learned(optimizers)
    with safe_open(path, "pt") as file:
        if file.metadata()["words"] != " ".join(every_word()):
            raise UserError(f"{path} was trained on other words than the toy world has now; move it away to begin afresh")
        keys = set(file.keys())
        for key, value in model.named_parameters():
            optimizer, learned_as = learned[value]
            slots = ("momentum_buffer",) if isinstance(optimizer, muon.Muon) else ("step", "exp_avg", "exp_avg_sq")
            needed = {f"{slot}.{key}" for slot in ("weights", "average", *slots)}
            if not needed <= keys or tuple(file.get_slice(f"weights.{key}").get_shape()) != value.shape:
                raise UserError(f"{path} is of another architecture; move it away to begin afresh")
            value.data.copy_(file.get_tensor(f"weights.{key}"))
            average[key].copy_(file.get_tensor(f"average.{key}"))
            for slot in slots:
                moment = file.get_tensor(f"{slot}.{key}").to(value.device)
                # in the weights' own layout: fused AdamW asks for it
                same = moment.shape == learned_as.shape
                optimizer.state[learned_as][slot] = torch.empty_like(learned_as).copy_(moment) if same else moment
        return State(**json.loads(file.metadata()["state"]))


def _learned(optimizers: list[torch.optim.Optimizer]) -> dict[Tensor, tuple[torch.optim.Optimizer, Tensor]]:
    """Of each parameter the optimizer and the tensor by which that knows it."""
    found = {}
    for optimizer in optimizers:
        own = optimizer.matrices if isinstance(optimizer, muon.Muon) else {p: p for p in optimizer.param_groups[0]["params"]}
        found |= {value: (optimizer, learned_as) for value, learned_as in own.items()}
    return found
