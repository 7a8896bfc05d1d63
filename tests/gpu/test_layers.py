"""Pooling, measuring and pinning where they are for: on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from gpu.conftest import on_devices
from reeltrace.data.store import ClipStore
from reeltrace.kinds.network import build_video
from reeltrace.measure.latency import measure_latency
from reeltrace.models import pooling
from reeltrace.models.float32 import exact_float32, use_tf32
from reeltrace.models.slowfast import SlowFastConfig
from reeltrace.registry.specs import TrainSpec
from reeltrace.training import loop
from reeltrace.training.loading import Loader
from reeltrace.training.residence import resident
from training.conftest import RUN, merged


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize(("name", "device"), on_devices(["max", "average"], ["max", "average"]))
def test_pooling_has_the_gradient_of_torch_on_a_cpu(name: str, device: str, layout: torch.memory_format) -> None:
    """Windows overlap, and most hold their largest value more than once."""
    loop.make_repeatable(torch.device(device), 1)
    x = torch.randn(2, 8, 9, 16, 15, generator=torch.Generator().manual_seed(0)).round().relu()
    x = x.contiguous(memory_format=layout)
    ours = pooling.MaxPool3d(3, 2, 1) if name == "max" else pooling.AvgPool3d(2)
    a, b = x.clone().requires_grad_(), x.to(device).requires_grad_()
    expected = F.max_pool3d(a, 3, 2, 1) if name == "max" else F.avg_pool3d(a, 2)
    found = ours(b)
    assert torch.allclose(found.cpu(), expected, atol=1e-6)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    (wanted,) = torch.autograd.grad(expected, a, weights)
    for _ in range(3):
        (got,) = torch.autograd.grad(found, b, weights.to(device), retain_graph=True)
        assert torch.equal(got.cpu(), wanted)
        assert got.stride() == x.stride()


@pytest.mark.parametrize(("name", "device"), on_devices(["slowfast"], ["slowfast"]))
def test_latency_is_measured(name: str, device: str) -> None:
    net = build_video(SlowFastConfig(classes=4, blocks=(1, 1, 1, 1), width=8, nonlocal_after=((), (0,), (), ())))
    for precision in ("float32", "bfloat16") if device == "cuda" else ("float32",):
        found = measure_latency(
            net,
            [torch.zeros(1, 3, 8, 64, 64)],
            device=torch.device(device),
            precision=precision,  # type: ignore[arg-type]
            warm_up=1,
            repeats=2,
            threads=1,
        )
        assert found["kind"] == device
        assert found["seconds"]["median"] > 0
        assert (found["gpu_bytes"] is not None) == (device == "cuda")


@pytest.mark.parametrize(("name", "device"), on_devices(["grey"], ["grey"]))
def test_batches_arrive_on_the_device_as_one_channel(name: str, device: str, datasets: dict[str, Path]) -> None:
    clips = ClipStore.open(datasets["direction"], "train")
    spec = TrainSpec.model_validate(merged(RUN, {"augment": {"kind": "rotate", "probability": 0.5}}))
    plain = list(Loader(spec, clips).epoch(1))
    for loaders in (0, 2):
        there = TrainSpec.model_validate(
            merged(spec.model_dump(mode="json"), {"device": {"kind": device, "loaders": loaders}})
        )
        for given in (clips, resident(clips, torch.device(device))):  # read here, and picked there
            for (pixels, labels), (expected, of) in zip(
                Loader(there, given, torch.device(device)).epoch(1), plain, strict=True
            ):
                assert pixels.device.type == labels.device.type == device
                assert pixels.shape[1] == 1
                assert torch.equal(pixels.cpu(), expected)
                assert torch.equal(labels.cpu(), of)


@pytest.mark.parametrize(("name", "device"), on_devices(["tf32"], []))
def test_float32_is_float32(name: str, device: str) -> None:
    """Where the card has TF32, it is seen to be off: the product differs from the one that uses it."""
    a, b = (torch.randn(256, 256, generator=torch.Generator().manual_seed(seed)).to(device) for seed in (0, 1))
    exact = a.double() @ b.double()
    use_tf32(convolutions=True, matrix_products=True)
    loose = (a @ b - exact).abs().max()
    with exact_float32():
        tight = (a @ b - exact).abs().max()
    use_tf32()
    assert tight < 1e-3
    if torch.cuda.get_device_capability() >= (8, 0):
        assert loose > 5 * tight
