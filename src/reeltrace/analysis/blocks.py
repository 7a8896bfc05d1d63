"""The blocks of measurements that are shown whole below a table; see `beside`."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from reeltrace.analysis.quantities import describe_device, format_quantity
from reeltrace.analysis.sources import Source, get
from reeltrace.artifacts.pointers import escape_pointer, pointer_to
from reeltrace.kinds.measurements.equivariance import net_words, size_words
from reeltrace.kinds.rounding import scientific

GIGA = 10**9


def _number(source: Source, path: str, value: Any, printed: str) -> dict[str, Any]:
    return {"value": value, "printed": printed, "trace": source.trace(path)}


def _whole(source: Source, path: str, value: int) -> dict[str, Any]:
    return _number(source, path, value, f"{value:,}")


def counts(source: Source) -> dict[str, Any]:
    """Parameters, and the multiply-adds of every view, with and without attention products."""
    rows = []
    for name, net in source.metrics["networks"].items():
        for label, view in net["views"].items():
            path = f"/networks/{escape_pointer(name)}"
            of = f"{path}/views/{escape_pointer(label)}"
            shapes = " and ".join("x".join(map(str, shape[1:])) for shape in view["input"])
            rows.append(
                {
                    "key": f"{name}/{label}",
                    "labels": [name, label, shapes],
                    "values": [
                        _whole(source, f"{path}/parameters", net["parameters"]),
                        _whole(source, f"{of}/multiply_adds", view["multiply_adds"]),
                        _whole(source, f"{of}/without_attention", view["without_attention"]),
                    ],
                    "marked": False,
                }
            )
    return {
        "kind": "counts",
        "title": "Every network and view that was counted",
        "head": [
            ["Network", "View", "Input, one clip"],
            ["Parameters", "Multiply-adds", "Without attention products"],
        ],
        "facts": [],
        "words": [],
        "rows": rows,
    }


def times(source: Source) -> dict[str, Any]:
    """Median and spread of the times of a view, throughput, and peak memory."""
    rows = []
    for name, net in source.metrics["networks"].items():
        for precision in ("float32", "bfloat16"):
            if precision not in net:
                continue
            found, path = net[precision], f"/networks/{escape_pointer(name)}/{precision}"
            values = [
                _number(source, f"{path}/seconds/{which}", seconds, format_quantity(Fraction(seconds), "seconds"))
                for which, seconds in ((which, found["seconds"][which]) for which in ("median", "fastest", "slowest"))
            ]
            rate = found["views_per_second"]
            values.append(_number(source, f"{path}/views_per_second", rate, format_quantity(Fraction(rate), "rate")))
            for kind in ("process_bytes", "gpu_bytes"):
                if found[kind] is None:
                    values.append(_number(source, f"{path}/{kind}", None, "none"))
                else:
                    peak = found[kind]["peak"]
                    text = format_quantity(Fraction(peak, GIGA), "gigabytes")
                    values.append(_number(source, f"{path}/{kind}/peak", peak, text))
            clip = "x".join(map(str, net["input"][0][1:]))
            passes = f"{found['repeats']} after {found['warm_up']} that did not count"
            weights = net["checkpoint"] or "initial weights"
            rows.append(
                {
                    "key": f"{name}/{precision}",
                    "labels": [name, f"{net['view']}, {clip}", describe_device(found), passes, weights],
                    "values": values,
                    "marked": False,
                }
            )
    return {
        "kind": "times",
        "title": "Times and memory of one view, as measured",
        "head": [
            ["Network", "View", "On", "Passes", "Weights"],
            ["Median", "Fastest", "Slowest", "Views per second", "Peak of the process", "Peak on the GPU"],
        ],
        "facts": [],
        "words": [],
        "rows": rows,
    }


def search(source: Source) -> dict[str, Any]:
    """Which settings of the open choices give the printed counts; the nearest ones where none does."""
    search = source.metrics["search"]
    nets: Mapping[str, int] = search["printed"]
    choices = [name for name in search["choices"] if name not in search["without_influence"]]

    def row(key: str, path: str, labels: list[str], entry: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
        values = []
        for net in nets:
            for quantity in ("parameters", "difference"):
                number = entry[net][quantity]
                printed = f"{number:,}" if quantity == "parameters" else f"{number:+,}" if number else "0"
                values.append(_number(source, path.format(net=escape_pointer(net), quantity=quantity), number, printed))
        hit = not any(entry[net]["difference"] for net in nets)
        return {"key": key, "labels": labels, "values": values, "marked": hit}

    rows = [
        row("given", "/search/given/{net}/{quantity}", ["as in params.yaml", *["" for _ in choices]], search["given"])
    ]
    for kind in ("exact", "nearest"):
        for index, found in enumerate(search[kind][:8]):
            entry = {net: {q: found[q][net] for q in ("parameters", "difference")} for net in nets}
            labels = [kind, *(found["settings"][name] for name in choices)]
            rows.append(row(f"{kind}-{index}", f"/search/{kind}/{index}/{{quantity}}/{{net}}", labels, entry))
    facts = [
        {"key": "tried", "words": "settings counted", **_whole(source, "/search/tried", search["tried"])},
        {
            "key": "exact",
            "words": "of them give every printed count",
            **_whole(source, "/search/exact", len(search["exact"])),
        },
    ]
    idle = search["without_influence"]
    return {
        "kind": "search",
        "title": f"Search for the printed counts of {' and '.join(nets)}",
        "head": [
            ["Setting", *choices],
            [f"{net}: {words}" for net in nets for words in ("parameters", "missing to the print")],
        ],
        "facts": facts,
        "words": [f"without influence on the count: {', '.join(idle)}"] if idle else [],
        "rows": rows,
    }


def equivariance(source: Source) -> dict[str, Any]:
    """The largest error of each net under its group, by the size of the clips."""
    assert source.spec is not None
    asked: Mapping[str, Any] = get(source.spec, "measurement")
    sizes = [size_words(size) for size in asked["sizes"]]
    rows = []
    # Of one architecture those that are built alike stand together: the spec has its keys sorted.
    for name, net in sorted(asked["nets"].items(), key=lambda e: (e[1]["architecture"], str(e[1]["options"]), e[0])):
        errors = [source.metrics["nets"][name][size]["largest"] for size in sizes]
        values = [
            _number(source, pointer_to("nets", name, size, "largest"), error, scientific(error))
            for size, error in zip(sizes, errors, strict=True)
        ]
        rows.append({"key": name, "labels": [name, net_words(net)], "values": values, "marked": False})
    clips = {"key": "clips", "words": "drawn clips of each size", **_whole(source, "/clips", source.metrics["clips"])}
    return {
        "kind": "equivariance",
        "title": "Untrained networks, by frames, height and width of the clips",
        "head": [["Network", "Built as"], sizes],
        "facts": [clips],
        "words": [],
        "rows": rows,
    }
