"""What a recipe can name: tables of priors, scenes, objectives, camera samplers and timestep schedules.

A component's keyword-only parameters are its options: their annotations are checked and their defaults shown by
`dreamforge config`. Other packages add components through entry points (`dreamforge.objectives` and so on).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from importlib.metadata import EntryPoints, entry_points
from typing import Annotated, Any, Literal

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dreamforge.contracts import Method
from dreamforge.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Range:
    """Bounds of a numeric option, both included."""

    low: float = float("-inf")
    high: float = float("inf")


Count = Annotated[int, Range(1)]
NonNegative = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(0, 1)]

@dataclass(frozen=True)
class Kind:
    """A kind of component: its table (module and name) and the parameters that the engine itself supplies."""

    module: str
    table: str
    supplied: frozenset[str] = frozenset()


KINDS = {
    "priors": Kind("dreamforge.priors", "PRIORS", frozenset({"noise", "device", "seed"})),
    "scenes": Kind("dreamforge.scenes", "SCENES", frozenset({"device", "seed"})),
    "objectives": Kind(
        "dreamforge.objectives",
        "OBJECTIVES",
        frozenset({"progress", "generator", "rendered", "cameras", "source", "image", "reward", "phi", "second"}),
    ),
    "phi": Kind("dreamforge.learned", "LEARNED", frozenset({"prior", "shape", "seed"})),
    "rewards": Kind("dreamforge.rewards", "REWARDS", frozenset({"prior", "device"})),
    "cameras": Kind("dreamforge.samplers", "SAMPLERS"),
    "timesteps": Kind("dreamforge.schedules", "TIMESTEPS"),
}


def entries(kind: str) -> dict[str, Any]:
    """Every table entry of a kind by name: this package's own and those of installed plugins."""
    place = KINDS[kind]
    found = dict(getattr(importlib.import_module(place.module), place.table))
    for point in plugins(tuple(sys.path)).select(group=f"dreamforge.{kind}"):
        if point.name in found:
            raise UserError(f"plugin {point.value} names its {kind} '{point.name}', which is taken; rename it")
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise UserError(f"plugin {point.value} ({kind} '{point.name}') does not load: {error}") from error
    return found


@functools.cache
def plugins(path: tuple[str, ...]) -> EntryPoints:
    """The entry points of what is installed on `path`. Looked up once: it takes milliseconds, and a run asks often."""
    return entry_points()


def table(kind: str) -> dict[str, Callable[..., Any]]:
    """Every component of a kind by name. What an objective costs and needs is left out (`objectives.needs`)."""
    return {name: _component(entry) for name, entry in entries(kind).items()}


def _component(entry: Any) -> Callable[..., Any]:
    return entry.function if isinstance(entry, Method) else entry


def find(kind: str, name: str, where: str) -> Callable[..., Any]:
    """The component, or a UserError naming the nearest one."""
    known = table(kind)
    if name not in known:
        raise UserError(f"{where}: no {kind} named '{name}'{did_you_mean(str(name), known)}")
    return known[name]


def build(kind: str, name: str, options: dict[str, Any], where: str, **supplied: Any) -> Any:
    """A component with its options and those of the engine's own arguments that it takes."""
    wanted = supplied_to(kind, name, where)
    return find(kind, name, where)(**options, **{key: value for key, value in supplied.items() if key in wanted})


def supplied_to(kind: str, name: str, where: str) -> set[str]:
    """Which of the engine's own arguments a component takes."""
    return KINDS[kind].supplied & set(inspect.signature(find(kind, name, where)).parameters)


def preset(component: type, about: str, **defaults: Any) -> Callable[..., Any]:
    """A component with other defaults, for a table to name; `about` is its docstring."""

    def make(**options: Any) -> Any:
        return component(**{**defaults, **options})

    own = inspect.signature(component)
    changed = [own.parameters[name].replace(default=value) for name, value in defaults.items()]
    make.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=({**own.parameters, **{parameter.name: parameter for parameter in changed}}).values()
    )
    make.__annotations__ = typing.get_type_hints(component.__init__, include_extras=True)
    make.__doc__ = about
    return make


def summary(component: Callable[..., Any]) -> str:
    """The first sentence of a component's docstring, on one line."""
    return " ".join((inspect.getdoc(component) or "").split("\n\n")[0].split())


def options_of(kind: str, component: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """A component's options: name -> (annotation, default)."""
    function = component.__init__ if inspect.isclass(component) else component
    hints = typing.get_type_hints(function, include_extras=True)
    return {
        name: (hints.get(name, Any), None if parameter.default is inspect.Parameter.empty else parameter.default)
        for name, parameter in inspect.signature(component).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in KINDS[kind].supplied
    }


def check_value(value: Any, annotation: Any, where: str) -> Any:
    """`value` converted to what an option's annotation asks for; UserError says what it should have been."""
    base, extras = annotation, ()
    if typing.get_origin(annotation) is Annotated:
        base, *extras = typing.get_args(annotation)
    value = _converted(value, base, where)
    for extra in extras:
        if callable(extra):
            extra(value, where)
        elif isinstance(extra, Range) and value is not None and not extra.low <= value <= extra.high:
            bounds = f"at least {extra.low:g}" if extra.high == float("inf") else f"in [{extra.low:g}, {extra.high:g}]"
            raise UserError(f"{where}: {value!r} is out of range; give a number {bounds}")
    return value


def _converted(value: Any, base: Any, where: str) -> Any:
    if typing.get_origin(base) is Literal:
        choices = typing.get_args(base)
        if value not in choices:
            raise UserError(f"{where}: '{value}' is not a choice{did_you_mean(str(value), map(str, choices))}")
        return value
    schema = make_dataclass("Option", [("value", base, field(default=MISSING))])
    try:
        typed = OmegaConf.merge(OmegaConf.structured(schema), {"value": _lists(value)})
        return OmegaConf.to_container(typed)["value"]
    except (OmegaConfBaseException, TypeError) as error:
        wanted = WANTED.get(base) or getattr(base, "__name__", str(base))
        raise UserError(f"{where}: {value!r} is not {wanted}") from error


def _lists(value: Any) -> Any:
    """Tuples as lists, however deep: defaults are tuples, and OmegaConf takes none within another."""
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


WANTED = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text",
    dict[str, float] | None: "{name: number, …}",
}  # fmt: skip
