"""Networks: whole nets that are measured at their published size and never trained, each declared once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

from reeltrace.errors import UserError
from reeltrace.kinds.points import Kind, Point, load, module_in

MOST = 100_000  # of a count, a width, a kernel
MAY_BE_ZERO = (
    *("nonlocal_after", "temporal_blocks", "slow_temporal_blocks", "fast_temporal_blocks"),
    *("head_window", "roi_sampling"),
)
VideoConfig = Any  # an instance of the dataclass that a kind names


@dataclass(frozen=True)
class NetworkKind(Kind):
    """A kind of network. What is "module:name" is loaded by the stage that calls it.

    `config` names the dataclass of its configuration, whose defaults an entry changes; `net` what builds the network
    from one; `count` the function that gives its parameters by arithmetic on one, without building it.
    """

    config: str
    net: str
    count: str

    @property
    def code(self) -> tuple[str, ...]:
        """The modules that a measurement of this kind of network calls by name."""
        return tuple(dict.fromkeys(map(module_in, (self.config, self.net, self.count))))


NETWORKS = Point("network architecture", "architecture", "reeltrace.kinds.networks", NetworkKind)
"""One kind of network in each file, see `NetworkKind`."""


def video_config(architecture: str, values: Mapping[str, Any]) -> VideoConfig:
    """The configuration of `architecture`, a name in NETWORKS, with `values` over its defaults.

    Lists count as tuples. UserError for an unknown architecture or value name, and for a value of another type or size
    than that of the configuration.
    """
    made = load(NETWORKS.get(architecture).config)
    known = [field.name for field in fields(made)]  # type: ignore[arg-type]  # a dataclass
    for name in values:
        if name not in known:
            raise UserError(
                f"unknown value {name!r} of architecture {architecture}: expected one of {', '.join(known)}"
            )
    config = made(**{name: frozen(value) for name, value in values.items()})
    for field in fields(config):
        _check(field, getattr(config, field.name))
    return config


def build_video(config: VideoConfig) -> Any:
    """The network of a configuration, an `nn.Module`. UserError where a value does not fit."""
    return load(network_of(config).net)(config)


def network_of(config: VideoConfig) -> NetworkKind:
    """The kind of network that a configuration is of."""
    named = f"{type(config).__module__}:{type(config).__qualname__}"
    return {kind.config: kind for kind in NETWORKS.all().values()}[named]


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
