"""The networks of mahler2020 by name: their configurations as plain values, and how to build them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from torch import nn

from reeltrace.errors import UserError
from reeltrace.models.nonlocal_i3d import NonLocalI3D, NonLocalI3DConfig
from reeltrace.models.r2plus1d import R2Plus1D, R2Plus1DConfig
from reeltrace.models.slowfast import SlowFast, SlowFastConfig

VideoConfig = SlowFastConfig | NonLocalI3DConfig | R2Plus1DConfig

CONFIGS: Mapping[str, type[VideoConfig]] = {
    "slowfast": SlowFastConfig,
    "nonlocal_i3d": NonLocalI3DConfig,
    "r2plus1d": R2Plus1DConfig,
}


def video_config(architecture: str, values: Mapping[str, Any]) -> VideoConfig:
    """The configuration of `architecture` ("slowfast", "nonlocal_i3d", "r2plus1d") with `values` over its defaults.

    Lists count as tuples. UserError for an unknown architecture or value name.
    """
    if architecture not in CONFIGS:
        raise UserError(f"unknown architecture {architecture!r}: expected one of {', '.join(sorted(CONFIGS))}")
    known = [field.name for field in fields(CONFIGS[architecture])]
    for name in values:
        if name not in known:
            raise UserError(
                f"unknown value {name!r} of architecture {architecture}: expected one of {', '.join(known)}"
            )
    return CONFIGS[architecture](**{name: frozen(value) for name, value in values.items()})


def build_video(config: VideoConfig) -> nn.Module:
    """The network of a configuration. UserError where a value does not fit."""
    if isinstance(config, SlowFastConfig):
        return SlowFast(config)
    if isinstance(config, NonLocalI3DConfig):
        return NonLocalI3D(config)
    return R2Plus1D(config)


def frozen(value: Any) -> Any:
    """`value` with every list in it as a tuple, as configurations compare them."""
    return tuple(frozen(one) for one in value) if isinstance(value, list | tuple) else value
