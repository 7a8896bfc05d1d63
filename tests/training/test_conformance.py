"""The conformance check on the nets of every scale, here and on an older processor; and that it sees what is wrong."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from torch import nn

from conftest import PROJECT, environment
from reeltrace.registry.reading import load
from reeltrace.training import conformance
from reeltrace.training.conformance import Convolution, Use, Variant
from training.older import OLDER

LARGEST = "2"  # million multiply-adds: seconds; `python -m reeltrace.training.conformance` takes more


def command(*arguments, older=False, code=0):
    kept = {name: value for name, value in environment(PROJECT).items() if name not in OLDER}
    done = subprocess.run(
        [sys.executable, "-m", "reeltrace.training.conformance", "--project", str(PROJECT), *arguments],
        env={**kept, **(OLDER if older else {})},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("conformance") / "table.json"
    command("--largest", LARGEST, "--write", str(path))
    return path


def test_every_convolution_conforms_here(table):
    written = json.loads(table.read_text())
    rows = written["convolutions"]
    scales = {net.partition("/")[0] for row in rows for net in row["nets"]}
    assert scales == {"smoke", "quick", "paper"}
    assert {row["layer"] for row in rows} >= {"Conv2d", "GroupConv3d", "Conv3d"}
    assert {row["group"] for row in rows} >= {"z3", "t2", "p43d"}
    used = [result for row in rows for result in row["results"] if result["used"]]
    assert {result["arithmetic"] for result in used} == {"float32", "bfloat16"}
    assert {result["layout"] for result in used} == {"channels-last", "default"}
    assert {result["way"] for result in used} == {"plain", "float32", "sliced"}
    assert all(result["failure"] is None for result in used)
    assert all(0 < max(result["errors"].values()) < 1e-2 for result in used)
    assert {"weight gradient", "input gradient", "output", "evaluation"} == {n for r in used for n in r["errors"]}
    assert all(row["multiply_adds"] > 2e6 for row in written["skipped"])


def test_every_convolution_conforms_on_an_older_processor(table, tmp_path):
    path = tmp_path / "older.json"
    said = command(
        "--shapes", str(table), "--largest", LARGEST, "--arithmetic", "float32", "--write", str(path), older=True
    )
    written = json.loads(path.read_text())
    assert written["processor"]["limits"] == OLDER
    assert len(written["convolutions"]) == len(json.loads(table.read_text())["convolutions"])
    assert conformance.failures(written) == []
    assert "ONEDNN_MAX_CPU_ISA=AVX2" in said
    sliced = [r for row in written["convolutions"] for r in row["results"] if r["way"] == "sliced"]
    assert len(sliced) >= 4 and all(max(result["errors"].values()) < 1e-5 for result in sliced)


def test_convolutions_are_collected_with_who_needs_what_of_them():
    found = conformance.collect([load(PROJECT, "smoke")])
    stems = [(conv, use) for conv, use in found.items() if conv.in_channels == 3]
    assert stems and all(not use.input_gradient for _, use in stems)
    trained = [conv for conv, use in found.items() if use.trained]
    assert {conv.layer for conv in trained} == {"Conv2d", "GroupConv3d"}
    assert any(conv.layer == "Conv3d" for conv in found if conv not in trained)
    assert all(not use.autocast for conv, use in found.items() if conv.layer == "Conv2d")
    assert {conv.way(torch.float32, 8) for conv in trained} == {"plain", "sliced"}
    for conv in found:
        x = torch.empty(1, conv.channels, *conv.size, device="meta")
        assert Convolution.of(conv.build().to("meta"), x) == conv


ONE = Convolution("Conv2d", None, False, 4, 6, 2, (3, 3), (2, 1), (1, 0), (1, 2), True, "channels-last", (7, 8))


def test_multiply_adds_are_those_of_the_definition():
    out = nn.Conv2d(4, 6, 3, (2, 1), (1, 0), (1, 2), 2)(torch.rand(1, 4, 7, 8))
    assert ONE.multiply_adds == out.numel() * 2 * 9


class Faulty(nn.Conv2d):
    """Computes rightly, but for what `fault` does to its output."""

    fault = ""

    def forward(self, x):
        out = super().forward(x)
        if self.fault == "wrong":
            return out * 1.01
        if self.fault == "varying":
            return out + torch.rand(()) * 1e-6
        if self.fault == "dies in bfloat16" and torch.is_autocast_enabled("cpu"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.fault == "infinite":
            return out / 0
        return out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("", None),
        ("wrong", "is wrong by"),
        ("infinite", "is wrong by inf"),
        ("varying", "run to run"),
        ("dies in bfloat16", "SIGSEGV"),
    ],
)
def test_each_fault_is_put_down_to_its_convolution(monkeypatch, fault, said):
    monkeypatch.setitem(conformance.LAYERS, "faulty", Faulty)
    monkeypatch.setattr(Faulty, "fault", fault)
    if fault:  # what is compared with must be right
        monkeypatch.setattr(Faulty, "double", lambda self: copied(self))
    other = Convolution(**{**vars(ONE), "layer": "faulty"})
    use, asked = Use(8, True, True, True, ["smoke/x"]), [Variant(a, "default", True) for a in ("float32", "bfloat16")]
    done = conformance.check_all([(conv, use, 8, asked) for conv in (ONE, other, ONE)], "cpu", 2)
    assert len(done) == 6
    found = {item: conformance.verdict(result, item[1].arithmetic) for item, result in done.items()}
    for item, words in found.items():
        if said is None or item[0] != 1 or (said == "SIGSEGV" and item[1].arithmetic == "float32"):
            assert words is None, (item, words)
        elif fault != "wrong" or item[1].arithmetic == "float32":  # 1 percent is what bfloat16 itself may err
            assert said in (words or ""), (item, words)


def copied(module):
    plain = nn.Conv2d(4, 6, 3, (2, 1), (1, 0), (1, 2), 2)
    plain.load_state_dict(module.state_dict())
    return plain.to(torch.float64)


def test_cuda_is_refused_where_there_is_none(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert conformance.main(["--device", "cuda"]) == 2
    assert "no CUDA device" in capsys.readouterr().err
