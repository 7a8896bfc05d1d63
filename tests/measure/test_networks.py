"""Whole networks: what is written of them, and what is said of weights and inputs that do not fit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import PROJECT, refusal, run_in
from measure.trained import CONFIG as SMALL
from reeltrace.errors import UserError
from reeltrace.kinds.measurement import MEASUREMENTS, Entry
from reeltrace.kinds.measurements.latency import LatencyMeasurement
from reeltrace.kinds.measurements.networks import NetworksMeasurement
from reeltrace.kinds.measurements.search import Printed, SearchMeasurement
from reeltrace.kinds.network import build_video, video_config
from reeltrace.kinds.points import load
from reeltrace.measure import networks, networks_stage
from reeltrace.registry.measurements import Network, View
from reeltrace.registry.specs import MeasureSpec

SLOWFAST = Network(
    architecture="slowfast",
    config=SMALL,
    views={"inference": View(frames=8, crop=64), "tiny": View(frames=8, crop=16)},
)
FACTORED = Network(
    architecture="r2plus1d",
    config={"width": 8, "blocks": [1, 1, 1, 1], "classes": 5, "stem_between": None},
    views={"inference": View(frames=4, crop=32)},
)


def run(spec: MeasureSpec, inputs: dict[str, Path], work: Path) -> Any:
    """The stage of the spec's kind."""
    return load(f"{MEASUREMENTS.get(spec.measurement.kind).stage}:run")(spec, inputs, work)


def spec(measurement: Entry, **nets: Network) -> MeasureSpec:
    return MeasureSpec(stage="measure", key="small", scale="smoke", measurement=measurement, networks=nets)


def counted(**nets: Network) -> NetworksMeasurement:
    return NetworksMeasurement(kind="networks", document="d", networks=nets)


def timed(**changes: Any) -> LatencyMeasurement:
    asked: dict[str, Any] = {
        "kind": "latency",
        "document": "d",
        "of": "nets",
        "views": {"slowfast": "inference"},
    }
    asked |= {"precisions": ("float32",), "warm_up": 0, "repeats": 2, "device": "cpu", "threads": 1}
    return LatencyMeasurement(**asked | changes)


def metrics_of(spec: MeasureSpec, folder: Path) -> Any:
    assert run(spec, {}, folder) == {}
    assert [path.name for path in folder.iterdir()] == ["metrics.json"]
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"blocks": [3, "..", 6, 3]},
            "network odd: blocks: found \"(3, '..', 6, 3)\"; expected whole numbers in lists",
        ),
        ({"blocks": [3, -1, 6, 3]}, "network odd: blocks: found -1; expected 1 to 100000"),
        ({"blocks": [3, True, 6, 3]}, "network odd: blocks: found '(3, True, 6, 3)'; expected whole numbers in lists"),
        ({"classes": 0}, "network odd: classes: found 0; expected 1 to 100000"),
        ({"classes": 2**63}, "network odd: classes: found 9223372036854775808; expected 1 to 100000"),
        ({"stem_kernels": True}, "network odd: stem_kernels: found 'True'; expected whole numbers in lists"),
        ({"stem_kernels": [[0, 0], [0, 0]]}, "network odd: stem_kernels: found 0; expected 1 to 100000"),
        ({"blocks": [3, 4]}, "network odd: blocks takes 4 values"),
    ],
)
def test_a_configuration_that_makes_no_network_is_named_in_one_line(values: dict[str, Any], words: str) -> None:
    network = Network(architecture="slowfast", config=values, views={"v": View(frames=8, crop=32)})
    asked = NetworksMeasurement(kind="networks", document="d", networks={"odd": network})
    message = refusal(networks_stage.count, asked)
    assert message.startswith(f"params.yaml: {words}")


def test_a_network_is_written_with_its_configuration_stages_and_costs(tmp_path: Path) -> None:
    net = SLOWFAST.model_copy(update={"views": {"inference": SLOWFAST.views["inference"]}})
    found = metrics_of(spec(counted(slowfast=net)), tmp_path)["networks"]["slowfast"]
    assert found["configuration"]["classes"] == 5
    assert found["configuration"]["lateral_kernel"] == 5  # the default of the architecture is said too
    model = build_video(video_config("slowfast", SMALL))
    assert found["parameters"] == sum(p.numel() for p in model.parameters())
    view = found["views"]["inference"]
    assert view["input"] == [[1, 3, 8, 64, 64]]
    assert view["stages"]["ResStage5"] == {"slow": [2, 2, 2], "fast": [8, 2, 2]}
    assert view["multiply_adds"] - view["without_attention"] == view["attention"] > 0
    assert sum(view["percent"].values()) == pytest.approx(100)
    assert set(view["percent"]) == {"slow", "fast", "laterals", "head"}
    assert found["kernels"]["ResStage1"] == {"slow": "1x7^2, 8", "fast": "5x7^2, 2"}
    assert found["kernels"]["ResStage4"] == {
        "slow": "[3x1^2, 32; 1x3^2, 32; 1x1^2, 128] x 1, [1x1^2, 32; 1x3^2, 32; 1x1^2, 128] x 1",
        "fast": "[3x1^2, 8; 1x3^2, 8; 1x1^2, 32] x 2",
    }


def test_counts_and_searches_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    search = SearchMeasurement(
        kind="search",
        document="d",
        networks={"r2plus1d": Printed(architecture="r2plus1d", config={}, parameters=63_747_500)},
        choices={"stem": {"3": {"stem_kernel": 3}, "7": {"stem_kernel": 7, "stem_between": None}}},
    )
    for asked in (counted(r2plus1d=FACTORED), search):
        texts = []
        for name in ("a", "b"):
            folder = tmp_path / asked.kind / name
            folder.mkdir(parents=True)
            run(spec(asked), {}, folder)
            texts.append((folder / "metrics.json").read_bytes())
        assert texts[0] == texts[1]
    found = json.loads(texts[0])["search"]
    assert [one["settings"] for one in found["exact"]] == [{"stem": "7"}]


def test_times_are_written_with_the_machine_and_the_view(tmp_path: Path) -> None:
    asked = timed(views={"slowfast": "inference", "r2plus1d": "inference"}, precisions=("float32", "bfloat16"))
    found = metrics_of(spec(asked, slowfast=SLOWFAST, r2plus1d=FACTORED), tmp_path)["networks"]
    assert set(found) == {"slowfast", "r2plus1d"}
    for net in found.values():
        assert net["checkpoint"] is None
        for precision in ("float32", "bfloat16"):
            one = net[precision]
            assert len(one["seconds"]["all"]) == one["repeats"] == 2
            assert (one["kind"], one["threads"], one["precision"]) == ("cpu", 1, precision)
            assert one["process_bytes"]["peak"] >= one["process_bytes"]["before"] > 0
            assert one["gpu_bytes"] is None


def test_an_input_that_the_net_cannot_take_is_named_with_its_view(tmp_path: Path) -> None:
    asked = timed(views={"slowfast": "tiny"})
    for one in (spec(asked, slowfast=SLOWFAST), spec(counted(slowfast=SLOWFAST))):
        with pytest.raises(UserError) as caught:
            run(one, {}, tmp_path)
        message = str(caught.value)
        assert message.startswith("params.yaml: network slowfast, view tiny: ") and "\n" not in message
        assert "16" in message and "at least" in message


def test_a_configuration_that_does_not_exist_is_named_with_its_network(tmp_path: Path) -> None:
    wrong = FACTORED.model_copy(update={"config": {"stem_kernal": 7}})
    with pytest.raises(UserError, match=r"params.yaml: network factored: unknown value 'stem_kernal'.*stem_kernel"):
        run(spec(counted(factored=wrong)), {}, tmp_path)


def test_a_device_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"params.yaml: device is cuda, but no CUDA device.*use auto or cpu"):
        run(spec(timed(device="cuda"), slowfast=SLOWFAST), {}, tmp_path)


TOO_LITTLE = """
import sys
from pathlib import Path
from measure.test_networks import SLOWFAST, run, spec, timed, View
from reeltrace.measure import latency
latency.available_memory = lambda: 0
large = SLOWFAST.model_copy(update={"views": {"large": View(frames=32, crop=256)}})
run(spec(timed(views={"slowfast": "large"}), slowfast=large), {}, Path(sys.argv[1]))
"""


def test_too_little_memory_is_said_before_the_process_is_killed(tmp_path: Path) -> None:
    """In a process of its own: what an allocation that failed leaves behind in torch is nobody's concern."""
    done = run_in(PROJECT / "tests", "python", "-c", TOO_LITTLE, str(tmp_path), code=1)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("reeltrace.errors.UserError: ")
    assert re.search("network slowfast, view large: cpu: memory does not suffice.*lower its crop", said)


def weights(tmp_path: Path, architecture: str, config: dict[str, Any]) -> Path:
    path = tmp_path / "weights.pt"
    torch.save(build_video(video_config(architecture, config)).state_dict(), path)
    return path


def test_weights_of_a_file_are_loaded(tmp_path: Path) -> None:
    path = weights(tmp_path, "slowfast", SMALL)
    model = build_video(video_config("slowfast", SMALL))
    networks.load_weights(model, path, "slowfast")
    stored = torch.load(path, weights_only=True)
    assert all(torch.equal(value, stored[name]) for name, value in model.state_dict().items())
    (tmp_path / "work").mkdir()
    asked = timed(checkpoint={"slowfast": str(path)})
    found = metrics_of(spec(asked, slowfast=SLOWFAST), tmp_path / "work")
    assert found["networks"]["slowfast"]["checkpoint"] == str(path)


@pytest.mark.parametrize(
    ("architecture", "config", "words"),
    [
        ("slowfast", {**SMALL, "classes": 6}, r"head.fc.bias is \(6,\), expected \(5,\)"),
        ("slowfast", {**SMALL, "nonlocal_after": [[], [], [], []]}, "is not in the file"),
        ("r2plus1d", FACTORED.config, "is not in the net|is not in the file"),
    ],
)
def test_weights_of_another_net_are_refused(
    tmp_path: Path, architecture: str, config: dict[str, Any], words: str
) -> None:
    path = weights(tmp_path, architecture, config)
    with pytest.raises(UserError, match=words) as caught:
        networks.load_weights(build_video(video_config("slowfast", SMALL)), path, "slowfast")
    message = str(caught.value)
    assert message.startswith(f"{path}: weights of another architecture or head than slowfast")
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04broken"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not a file of weights.*give a state dict"):
        networks.load_weights(build_video(video_config("slowfast", SMALL)), path, "slowfast")
    with pytest.raises(UserError, match=r"no such file; correct the checkpoint of slowfast in params\.yaml"):
        networks.load_weights(torch.nn.Linear(1, 1), tmp_path / "absent.pt", "slowfast")


@pytest.mark.parametrize("at", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize("kind", ["flip", "zero", "cut"])
def test_damaged_weights_are_refused_in_one_plain_line(tmp_path: Path, at: float, kind: str) -> None:
    path = tmp_path / "weights.pt"
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 64))
    torch.save(model.state_dict(), path)
    content = path.read_bytes()
    place = int(at * len(content))
    changed = {"flip": bytes([content[place] ^ 4]), "zero": bytes(64), "cut": b""}[kind]
    rest = b"" if kind == "cut" else content[place + len(changed) :]
    path.write_bytes(content[:place] + changed + rest)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        networks.load_weights(model, path, "net")
    except UserError as error:
        assert str(error).isprintable() and "not a file of weights (" in str(error)
    else:  # what was hit belongs to no weight
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert kind != "cut"


def test_a_folder_in_place_of_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\); correct that, or the checkpoint of net"):
        networks.load_weights(torch.nn.Linear(1, 1), tmp_path, "net")
