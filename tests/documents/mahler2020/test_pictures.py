"""The figures of weights and feature maps, with a small net in place of the document's."""

import json
from pathlib import Path

import pytest
import torch

from analysis.fabricated import Project
from conftest import PROJECT, only
from measure.trained import CONFIG, film, net, save
from reeltrace.artifacts.json_values import read_json
from reeltrace.kinds.measurements.networks import NetworksMeasurement
from reeltrace.kinds.measurements.pictures import PicturesMeasurement
from reeltrace.kinds.network import build_video
from reeltrace.measure.networks import config_of
from reeltrace.registry.reading import load


def files(folder: Path, videos: int) -> dict[str, str]:
    """The registry with a small net, its weights in a file, and that many videos."""
    weights = save(net(blocks=[3, 4, 3, 3], nonlocal_after=[[], [], [1], []]), folder / "w.pt")
    config = {
        **CONFIG,
        "blocks": [3, 4, 3, 3],
        "slow_temporal_blocks": [1, 2, 1, 1],
        "nonlocal_after": [[], [], [1], []],
    }
    films = [str(film(folder / f"film{number}.avi", frames=36, start=4 * number)) for number in range(videos)]
    file = "documents/mahler2020/experiments.yaml"
    found = only("mahler2020")
    text = found[file]
    small = {"architecture": "slowfast", "config": config, "views": {"inference": {"frames": 32, "crop": 64}}}
    for old, new in (
        ("    networks:\n      slowfast: #", f"    networks:\n      small: {json.dumps(small)}\n      slowfast: #"),
        ("    network: slowfast\n", "    network: small\n"),
        ("    checkpoint: null #", f"    checkpoint: {weights} #"),
        ("    videos: [] #", f"    videos: {json.dumps(films)} #"),
        ("slow.3.25.branch", "slow.3.3.branch"),
        ("fast.3.22.branch", "fast.3.2.branch"),
    ):
        assert old in text
        text = text.replace(old, new)
    return {**found, file: text}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished project with one video: figure 7.10, which needs a second, is left out."""
    folder = tmp_path_factory.mktemp("pictures")
    return Project(folder / "project", files=files(folder, videos=1), documents=PROJECT / "documents").all()


def test_every_figure_has_its_pictures(drawn: Project) -> None:
    report = read_json(drawn.folder("report/all") / "report.json")
    (entry,) = report["pictures"]
    assert [(figure["figure"], len(figure["pictures"])) for figure in entry["figures"]] == [
        ("7.4", 2),
        ("7.5", 6),
        ("7.6", 1),
        ("7.7", 1),
        ("7.8", 1),
        ("7.9", 1),
        ("7.10", 0),
    ]
    told = report["artifacts"]["measure/mahler2020-pictures"]["settings"]
    assert told["figure 7.4"] == "slow.0.0.conv, fast.0.0.conv"


def test_the_figures_of_the_document_name_layers_of_its_net() -> None:
    registry = load(PROJECT)
    asked, nets = (registry.params.measurements[f"mahler2020-{name}"] for name in ("pictures", "networks"))
    assert isinstance(asked, PicturesMeasurement) and isinstance(nets, NetworksMeasurement)
    network = nets.networks[asked.network]
    with torch.device("meta"):
        model = build_video(config_of(asked.network, network.architecture, network.config))
    modules = dict(model.named_modules())
    shapes = {n: [tuple(modules[layer].weight.shape) for layer in f.layers] for n, f in asked.figures.items()}
    assert list(asked.figures) == [f"7.{number}" for number in range(4, 11)]
    assert shapes["7.4"] == [(64, 3, 1, 7, 7), (8, 3, 5, 7, 7)]
    assert [shape[0] for shape in shapes["7.5"]] == [64, 256, 512, 8, 32, 64]
    assert shapes["7.6"] + shapes["7.7"] == shapes["7.4"]
    assert shapes["7.8"] == [(8, 8, 1, 3, 3)] and shapes["7.9"] == shapes["7.10"] == [(32, 32, 1, 3, 3)]
    for layer in {x for n in ("7.5", "7.8", "7.9", "7.10") for x in asked.figures[n].layers}:
        stage, block, rest = layer.rsplit(".", 4)[0], layer.split(".")[2], layer.split(".", 3)[3]
        assert rest == "branch.1.conv"  # the second convolution
        assert len(modules[stage]) == int(block) + 1  # of the last block
