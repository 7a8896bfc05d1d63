"""A small net learns what shapes are and where they go, by the document's loss and schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from reeltrace.detection.ava import Frame, Label
from reeltrace.detection.average_precision import evaluate, mean
from reeltrace.detection.detect import regions, score
from reeltrace.detection.drawn import ACTIONS, Sample, draw, moved
from reeltrace.detection.training import Schedule, begin_with, fit, loss_of
from reeltrace.errors import UserError
from reeltrace.recognition.nets import random_net

SIDE, FRAMES = 40, 4
VALUES: dict[str, Any] = {
    "classes": 4,
    "blocks": (1, 1, 1, 1),
    "width": 8,
    "beta_inverse": 2,
    "nonlocal_after": ((), (), (), ()),
    "dropout": 0.0,
}
DETECT: dict[str, Any] = {**VALUES, "head": "detect", "strides": (1, 2, 2, 1), "dilations": (1, 1, 1, 2)}


def found_in(net: nn.Module, samples: Sequence[Sample]) -> float:
    """Frame-mAP, with boxes as a detector of persons would give them: each a little off."""
    dice = np.random.default_rng(0)
    detections = []
    for sample in samples:
        boxes = [moved(box, dice) for box in dict.fromkeys(label.box for label in sample.labels)]
        scores = score(net, sample.clip, boxes, (SIDE, SIDE)).tolist()
        detections += [
            Label(sample.frame, box, action, row[action - 1])
            for box, row in zip(boxes, scores, strict=True)
            for action in ACTIONS
        ]
    return mean(evaluate([label for sample in samples for label in sample.labels], detections)) or 0.0


def test_it_learns_what_it_was_not_told_of() -> None:
    """On clips that it has not seen: more than 0.9, where an untrained net, which guesses, has less than 0.75."""
    net = random_net("slowfast", **DETECT).net
    seen, unseen = draw(48, 1, FRAMES, SIDE), draw(24, 2, FRAMES, SIDE)
    assert found_in(net, unseen) < 0.75
    losses = fit(net, [(each.clip, each.labels) for each in seen], Schedule(50, 6, 0.3, warm_up=5))
    assert losses[0] == pytest.approx(np.log(2), abs=0.1) and np.mean(losses[-5:]) < 0.3
    assert not net.training
    assert found_in(net, unseen) > 0.9


def test_what_is_drawn_is_what_its_labels_say() -> None:
    """In a box there is more than the ground, a square fills it, and what goes right is farther right at the end."""
    samples = draw(20, 3, FRAMES, SIDE)
    assert torch.equal(samples[3].clip, draw(20, 3, FRAMES, SIDE)[3].clip)
    seen: set[int] = set()
    for sample in samples:
        clip = sample.clip[0].mean(0)
        for box in dict.fromkeys(label.box for label in sample.labels):
            actions = {label.action for label in sample.labels if label.box == box}
            assert len(actions & {1, 2}) == len(actions & {3, 4}) == 1
            seen |= actions
            x1, y1, x2, y2 = (round(value * SIDE) for value in box)
            part = clip[:, y1:y2]
            columns = torch.arange(SIDE).float()
            centres = [
                float((row.clamp(0.9).sub(0.9).sum(0) @ columns) / row.clamp(0.9).sub(0.9).sum()) for row in part
            ]
            assert (centres[-1] > centres[0]) == (4 in actions)
            middle = part[FRAMES // 2 - 1 : FRAMES // 2 + 1, :, x1 + 1 : x2 - 1].mean(0)
            assert (float((middle > 1).float().mean()) > 0.85) == (1 in actions)
    assert seen == set(ACTIONS)


def test_the_loss_is_a_cross_entropy_for_each_box_and_action() -> None:
    net = random_net("slowfast", **DETECT).net
    left, right = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
    frame = Frame("v", 1000)
    clips = torch.randn(3, 1, 3, FRAMES, SIDE, SIDE)
    labels = [[Label(frame, left, 1), Label(frame, right, 2), Label(frame, left, 4)], [], [Label(frame, right, 3)]]
    with torch.no_grad():
        loss = loss_of(net, list(zip(clips, labels, strict=True)), torch.device("cpu"))
        boxes = torch.cat([regions([left, right], (SIDE, SIDE), 0), regions([right], (SIDE, SIDE), 2)])
        logits = net(clips[:, 0], boxes)
    wanted = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]])
    expected = -(wanted * logsigmoid(logits) + (1 - wanted) * logsigmoid(-logits)).mean()
    torch.testing.assert_close(loss, expected)
    none = loss_of(net, [(clips[1], [])], torch.device("cpu"))
    none.backward()  # type: ignore[no-untyped-call]
    assert none.item() == 0.0


def test_the_rate_rises_and_falls_by_half_a_cosine() -> None:
    schedule = Schedule(steps=110, batch=1, rate=0.1, warm_up=10)
    rates = [schedule.rate_at(step) for step in range(110)]
    assert rates[0] == pytest.approx(0.01) and rates[5] == pytest.approx(0.055) and rates[10] == pytest.approx(0.1)
    assert rates[60] == pytest.approx(0.05) and rates[109] < 0.0001
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_it_begins_with_a_net_for_recognition() -> None:
    narrow = {"beta_inverse": 4}  # as in the published nets, no block has as many channels in as out by chance
    recognition = random_net("slowfast", seed=1, **{**VALUES, **narrow, "classes": 7}).net
    net = random_net("slowfast", seed=2, **{**DETECT, **narrow}).net
    before: dict[str, Tensor] = {name: value.clone() for name, value in net.state_dict().items()}
    begin_with(net, recognition.state_dict(), "kinetics.pt")
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name] if name.startswith("head.") else recognition.state_dict()[name])
    other = random_net("slowfast", **{**VALUES, **narrow, "width": 16}).net
    with pytest.raises(UserError, match=r"kinetics.pt: .* is \(.*expected"):
        begin_with(net, other.state_dict(), "kinetics.pt")


def test_nothing_to_train_on_is_refused() -> None:
    net = random_net("slowfast", **DETECT).net
    for samples in ([], [(torch.zeros(1, 3, FRAMES, SIDE, SIDE), ())]):
        with pytest.raises(UserError, match="nothing to train on"):
            fit(net, samples, Schedule(1, 1, 0.1))
