"""Which configuration gives a printed parameter count: a search over what a document leaves open.

Counts come from arithmetic on the configuration, thousands in a second; every configuration that is reported as
exact is then built and counted as well.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import torch

from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.network import VideoConfig, build_video, frozen, network_of
from reeltrace.kinds.points import load
from reeltrace.measure.structure import count_parameters

# A choice: its possible settings by label, each with the values of the configuration that it changes.
Choice = Mapping[str, Mapping[str, Any]]


def search_configurations(
    configs: Mapping[str, VideoConfig],
    printed: Mapping[str, int],
    choices: Mapping[str, Choice],
    nearest: int = 5,
) -> dict[str, Any]:
    """Find the settings of `choices` under which every network in `configs` has its printed parameter count.

    All networks share each setting. `choices` gives, per choice, its settings by label and the values that a
    setting changes in the configuration, such as {"classes": {"80": {"classes": 80}, "400": {"classes": 400}}};
    a network is left as it is by values that its configuration does not have.

    Returns plain JSON, the same for the same arguments:

    - "printed", and "given": per network the count of the configuration as given and what is missing from it
      to the printed one;
    - "choices": the labels; "without_influence": the choices whose settings never change a count,
      left out of what follows;
    - "tried": how many joint settings were counted;
    - "exact": the settings that explain all printed counts, fewest changes first; "nearest": where there is
      none, the `nearest` best by their largest difference. Each is {"settings": label by choice, "changed":
      choices that differ from the configuration as given, "parameters", "difference": printed minus counted}.

    UserError if the names of `configs` and `printed` differ, a choice has no setting, or it changes no network.
    """
    _check(configs, printed, choices)
    tuples: dict[str, Choice] = {
        name: {label: {key: frozen(value) for key, value in values.items()} for label, values in choice.items()}
        for name, choice in choices.items()
    }
    counts = {
        labels: {net: count_by_arithmetic(changed) for net, changed in _apply(configs, tuples, labels).items()}
        for labels in itertools.product(*tuples.values())
    }
    idle = _without_influence(list(choices), counts)
    found = [
        _entry(configs, printed, tuples, labels, parameters, idle)
        for labels, parameters in counts.items()
        # Of settings that differ only in choices without influence, those with the first label of each.
        if all(label == next(iter(choices[name])) for name, label in zip(choices, labels, strict=True) if name in idle)
    ]
    found.sort(key=_distance)
    exact = [one for one in found if not any(one["difference"].values())]
    result = {
        "printed": dict(printed),
        "given": {
            net: {
                "configuration": asdict(config),
                "parameters": count_by_arithmetic(config),
                "difference": printed[net] - count_by_arithmetic(config),
            }
            for net, config in configs.items()
        },
        "choices": {name: list(choice) for name, choice in choices.items()},
        "without_influence": idle,
        "tried": len(counts),
        "exact": exact,
        "nearest": [] if exact else found[:nearest],
    }
    plain: dict[str, Any] = json.loads(json.dumps(result))
    return plain


def count_by_arithmetic(config: VideoConfig) -> int:
    """Parameters of the network of `config`, from its widths, kernels and blocks, without building it."""
    found: int = load(network_of(config).count)(config)
    return found


def _check(configs: Mapping[str, VideoConfig], printed: Mapping[str, int], choices: Mapping[str, Choice]) -> None:
    if configs.keys() != printed.keys():
        raise UserError(
            f"search: found networks {sorted(configs)} and printed counts of {sorted(printed)}, expected the same names"
        )
    for name, choice in choices.items():
        if not choice:
            raise UserError(f"search: choice {name!r} has no setting, expected at least one")
        for label, values in choice.items():
            for value in values:
                if not any(value in _names(config) for config in configs.values()):
                    raise UserError(
                        f"search: setting {label!r} of choice {name!r} changes {value!r}, which no network here has: "
                        "expected names of configuration values"
                    )


def _apply(
    configs: Mapping[str, VideoConfig], choices: Mapping[str, Choice], labels: Sequence[str]
) -> dict[str, VideoConfig]:
    """The configurations with the values that the settings of these labels change, as far as each has them."""
    values: dict[str, Any] = {}
    for choice, label in zip(choices.values(), labels, strict=True):
        values |= choice[label]
    return {
        net: replace(config, **{key: value for key, value in values.items() if key in _names(config)})
        for net, config in configs.items()
    }


def _entry(
    configs: Mapping[str, VideoConfig],
    printed: Mapping[str, int],
    choices: Mapping[str, Choice],
    labels: Sequence[str],
    parameters: Mapping[str, int],
    idle: Sequence[str],
) -> dict[str, Any]:
    """What the result says of one joint setting. Where it explains every count, the networks are built and counted."""
    difference = {net: printed[net] - count for net, count in parameters.items()}
    settings = {name: label for name, label in zip(choices, labels, strict=True) if name not in idle}
    if not any(difference.values()):
        _confirm(_apply(configs, choices, labels), parameters, settings)
    return {
        "settings": settings,
        "changed": [
            name for name, label in settings.items() if _apply(configs, {name: choices[name]}, [label]) != dict(configs)
        ],
        "parameters": dict(parameters),
        "difference": difference,
    }


def _names(config: VideoConfig) -> set[str]:
    return {field.name for field in fields(config)}


def _without_influence(choices: Sequence[str], counts: Mapping[tuple[str, ...], Mapping[str, int]]) -> list[str]:
    """The choices that have several settings, none of which ever changes a count, whatever the others are."""
    idle = []
    for place, name in enumerate(choices):
        others: dict[tuple[str, ...], set[tuple[int, ...]]] = {}
        for labels, parameters in counts.items():
            others.setdefault(labels[:place] + labels[place + 1 :], set()).add(tuple(parameters.values()))
        several = len({labels[place] for labels in counts}) > 1
        if several and all(len(values) == 1 for values in others.values()):
            idle.append(name)
    return idle


def _distance(one: Mapping[str, Any]) -> tuple[int, int]:
    return max(abs(difference) for difference in one["difference"].values()), len(one["changed"])


def _confirm(configs: Mapping[str, VideoConfig], parameters: Mapping[str, int], settings: Mapping[str, str]) -> None:
    for net, config in configs.items():
        with torch.device("meta"):
            built = count_parameters(build_video(config))
        if built != parameters[net]:
            raise CheckFailed(
                f"search: {net} with {settings} has {parameters[net]} parameters by arithmetic and {built} when "
                "built: one of the two counts is wrong"
            )
