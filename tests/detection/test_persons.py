"""The detector of persons: its boxes as shares, its weights from a file that fits, and no other class than persons."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import detection  # type: ignore[import-untyped]

from reeltrace.detection.persons import NETS, detector
from reeltrace.errors import UserError

FRAME = np.zeros((50, 100, 3), np.uint8)


class Known(nn.Module):
    """In place of a Faster R-CNN: the boxes that it has learned, as one of torchvision's gives them."""

    def __init__(self, weights: None, weights_backbone: None, **others: Any) -> None:
        super().__init__()
        assert weights is None and weights_backbone is None  # or it would be downloaded
        self.norm = nn.BatchNorm2d(2)
        self.register_buffer("boxes", torch.zeros(4, 4))

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        assert images[0].shape == (3, 50, 100) and self.norm.eps == 0 and not self.training
        return [
            {
                "boxes": self.get_buffer("boxes"),
                "labels": torch.tensor([1, 17, 1, 1]),
                "scores": torch.tensor([0.85, 0.99, 0.5, 0.95]),
            }
        ]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(detection, NETS[0], Known)
    state = Known(None, None).state_dict()
    state["boxes"] = torch.tensor([[10.0, 5, 50, 45], [0, 0, 90, 40], [0, 0, 20, 20], [60, 10, 100, 50]])
    torch.save(state, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def test_persons_alone_above_the_threshold(file: Path) -> None:
    found = detector(file)(FRAME)
    assert [box for box, _ in found] == [pytest.approx((0.6, 0.2, 1.0, 1.0)), pytest.approx((0.1, 0.1, 0.5, 0.9))]
    assert [score for _, score in found] == pytest.approx([0.95, 0.85])
    assert detector(file, most=1)(FRAME) == found[:1]
    assert len(detector(file, least=0.2)(FRAME)) == 3


def test_files_in_the_old_format_are_known_by_their_hash(file: Path, tmp_path: Path) -> None:
    state = torch.load(file, weights_only=True)
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "old.pth").read_bytes()
    named = tmp_path / f"net_coco-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    named.write_bytes(data)
    assert len(detector(named)(FRAME)) == 2
    with pytest.raises(UserError, match=r"old.pth: not a file of weights"):
        detector(tmp_path / "old.pth")


def test_files_that_do_not_fit_are_refused(file: Path, tmp_path: Path) -> None:
    torch.save({"boxes": torch.zeros(3, 4)}, tmp_path / "other.pth")
    for path, net, message in (
        (tmp_path / "other.pth", NETS[0], r"other.pth: weights of another net than fasterrcnn_resnet50_fpn: boxes is"),
        (tmp_path / "none.pth", NETS[0], r"none.pth: no such file"),
        (file, "yolo", r"no net for persons is named 'yolo'; expected one of fasterrcnn_resnet50_fpn"),
    ):
        with pytest.raises(UserError, match=message):
            detector(path, net)


def test_drawn_weights_give_boxes_to_try_with() -> None:
    """torchvision's own net, the smallest."""
    frame = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    found = detector(None, NETS[-1], least=0.0)(frame)
    assert 0 < len(found) <= 5
    assert all(0 <= value <= 1 for box, _ in found for value in box)
