"""The networks of mahler2020 by name: their configurations as plain values, and how to build them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from typing import Any

from torch import nn

from reeltrace.errors import UserError
from reeltrace.models.nonlocal_i3d import NonLocalI3D, NonLocalI3DConfig
from reeltrace.models.r2plus1d import R2Plus1D, R2Plus1DConfig
from reeltrace.models.slowfast import SlowFast, SlowFastConfig

MOST = 100_000  # of a count, a width, a kernel
MAY_BE_ZERO = ("nonlocal_after", "temporal_blocks", "slow_temporal_blocks", "fast_temporal_blocks")
VideoConfig = SlowFastConfig | NonLocalI3DConfig | R2Plus1DConfig

CONFIGS: Mapping[str, type[VideoConfig]] = {
    "slowfast": SlowFastConfig,
    "nonlocal_i3d": NonLocalI3DConfig,
    "r2plus1d": R2Plus1DConfig,
}


def video_config(architecture: str, values: Mapping[str, Any]) -> VideoConfig:
    """The configuration of `architecture` ("slowfast", "nonlocal_i3d", "r2plus1d") with `values` over its defaults.

    Lists count as tuples. UserError for an unknown architecture or value name, and for a value of another type or size
    than that of the configuration.
    """
    if architecture not in CONFIGS:
        raise UserError(f"unknown architecture {architecture!r}: expected one of {', '.join(sorted(CONFIGS))}")
    known = [field.name for field in fields(CONFIGS[architecture])]
    for name in values:
        if name not in known:
            raise UserError(
                f"unknown value {name!r} of architecture {architecture}: expected one of {', '.join(known)}"
            )
    config = CONFIGS[architecture](**{name: frozen(value) for name, value in values.items()})
    for field in fields(config):
        _check(field, getattr(config, field.name))
    return config


def build_video(config: VideoConfig) -> nn.Module:
    """The network of a configuration. UserError where a value does not fit."""
    if isinstance(config, SlowFastConfig):
        return SlowFast(config)
    if isinstance(config, NonLocalI3DConfig):
        return NonLocalI3D(config)
    return R2Plus1D(config)


def _check(field: Field[Any], value: Any) -> None:
    """UserError where a value is not of the type of the field's default, or a number in it is out of bounds."""
    default = field.default
    if value is None and "None" in str(field.type):
        return
    wanted = "true or false" if isinstance(default, bool) else "a number" if isinstance(default, float) else "a word"
    fits = isinstance(value, type(default)) or (isinstance(default, float) and isinstance(value, int))
    if isinstance(default, int | tuple) and not isinstance(default, bool):
        wanted = "whole numbers in lists" if isinstance(default, tuple) else "a whole number"
        fits = isinstance(value, tuple) == isinstance(default, tuple) and all(type(n) is int for n in _leaves(value))
    if not fits:
        raise UserError(f"{field.name}: found {str(value)[:80]!r}; expected {wanted}")
    least = 0 if field.name in MAY_BE_ZERO else 1
    for number in _leaves(value):
        if type(number) is int and not least <= number <= MOST:
            raise UserError(f"{field.name}: found {number}; expected {least} to {MOST}")


def _leaves(value: Any) -> Iterator[Any]:
    """What is in a value and in the tuples in it."""
    if isinstance(value, tuple):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def frozen(value: Any) -> Any:
    """`value` with every list in it as a tuple, as configurations compare them."""
    return tuple(frozen(one) for one in value) if isinstance(value, list | tuple) else value
