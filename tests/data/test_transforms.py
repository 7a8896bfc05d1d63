"""The transforms are a group action on clips; augmentation is a pure function of its generator."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.data.transforms import (
    TRANSFORMS,
    _choose,
    augment,
    changed,
    draw_changes,
    original,
    r90,
    r180,
    r270,
    treverse,
)


@st.composite
def clips(draw: st.DrawFn) -> torch.Tensor:
    """(N, C, T, H, W) or (C, T, H, W), all pixels different, square or not, three real channels or one seen
    thrice.
    """
    shape = [draw(st.integers(1, 4)) for _ in range(3)]
    batch = [draw(st.integers(0, 3))] if draw(st.booleans()) else []
    if draw(st.booleans()):
        count = torch.tensor([*batch, *shape]).prod().item()
        return torch.arange(count).reshape(*batch, 1, *shape).expand(*batch, 3, *shape)
    count = 3 * torch.tensor([*batch, *shape]).prod().item()
    return torch.arange(count).reshape(*batch, 3, *shape)


# the group: (quarter turns, reversed?)
ELEMENTS = {
    "original": (0, 0),
    "r90": (1, 0),
    "r180": (2, 0),
    "r270": (3, 0),
    "treverse": (0, 1),
}


def by(turns: int, reverse: int, x: torch.Tensor) -> torch.Tensor:
    rotated = (original, r90, r180, r270)[turns % 4](x)
    return treverse(rotated) if reverse % 2 else rotated


def test_names_are_the_documents():
    assert set(TRANSFORMS) == set(ELEMENTS)


@given(clips())
def test_group_action(x):
    for (a, (i, m)), (b, (j, n)) in itertools.product(ELEMENTS.items(), repeat=2):
        assert torch.equal(TRANSFORMS[a](TRANSFORMS[b](x)), by(i + j, m + n, x))


@given(clips())
def test_orders_and_inverses(x):
    assert torch.equal(treverse(treverse(x)), x)
    assert torch.equal(r90(r90(r90(r90(x)))), x)
    assert torch.equal(r90(r90(x)), r180(x))
    assert torch.equal(r270(r90(x)), x)
    assert torch.equal(r90(r270(x)), x)
    assert torch.equal(original(x), x)


def test_rotation_is_counter_clockwise_as_seen():
    # An arrow head at the right edge: after a quarter turn counter-clockwise it is at the top.
    frame = torch.tensor(
        [
            [0, 0, 0],
            [1, 2, 3],
            [0, 0, 0],
        ]
    )
    x = frame.expand(1, 3, 2, 3, 3)
    up = torch.tensor([[0, 3, 0], [0, 2, 0], [0, 1, 0]])
    left = torch.tensor([[0, 0, 0], [3, 2, 1], [0, 0, 0]])
    down = torch.tensor([[0, 1, 0], [0, 2, 0], [0, 3, 0]])
    for turned, expected in ((r90(x), up), (r180(x), left), (r270(x), down)):
        assert torch.equal(turned, expected.expand_as(x))


def test_frames_that_are_not_square():
    x = torch.arange(6).reshape(1, 1, 1, 2, 3)
    assert r90(x)[0, 0, 0].tolist() == [[2, 5], [1, 4], [0, 3]]


def test_reversal_moves_frames_and_nothing_else():
    x = torch.arange(2 * 3 * 4 * 5 * 5).reshape(2, 3, 4, 5, 5)
    assert torch.equal(treverse(x), x[:, :, [3, 2, 1, 0]])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_grey_clips_stay_one_channel_in_memory(name):
    x = torch.rand(2, 1, 3, 4, 4).expand(2, 3, 3, 4, 4)
    assert TRANSFORMS[name](x).stride(1) == 0
    assert torch.equal(TRANSFORMS[name](x), TRANSFORMS[name](x.contiguous()))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


BATCH = torch.rand(400, 1, 3, 4, 4, generator=seeded(0))
CHOICES = {"treverse": (treverse,), "rotate": (r90, r180, r270)}


@pytest.mark.parametrize("kind", CHOICES)
def test_augment_transforms_about_the_wanted_share(kind):
    before = BATCH.clone()
    out = augment(BATCH, kind, 0.3, seeded(1))
    assert torch.equal(BATCH, before)
    counts = [sum(torch.equal(a, t(b)) for a, b in zip(out, BATCH, strict=True)) for t in CHOICES[kind]]
    kept = sum(torch.equal(a, b) for a, b in zip(out, BATCH, strict=True))
    assert kept + sum(counts) == len(BATCH)
    assert 80 < sum(counts) < 160  # 120 expected, 9 standard deviation
    assert min(counts) > sum(counts) / len(counts) * 0.5


@pytest.mark.parametrize("kind", CHOICES)
def test_augment_depends_on_the_generator_alone(kind):
    first = augment(BATCH, kind, 0.3, seeded(7))
    torch.rand(10)
    assert torch.equal(first, augment(BATCH, kind, 0.3, seeded(7)))
    assert not torch.equal(first, augment(BATCH, kind, 0.3, seeded(8)))
    # the generator goes on by the same amount whatever was drawn and whatever the probability
    left, right = seeded(7), seeded(7)
    augment(BATCH, kind, 0.0, left)
    augment(BATCH, kind, 1.0, right)
    assert torch.equal(torch.rand(3, generator=left), torch.rand(3, generator=right))


@pytest.mark.parametrize("kind", CHOICES)
def test_augment_never_and_always(kind):
    assert torch.equal(augment(BATCH, kind, 0.0, seeded(1)), BATCH)
    always = augment(BATCH, kind, 1.0, seeded(1))
    assert not any(torch.equal(a, b) for a, b in zip(always, BATCH, strict=True))


@pytest.mark.parametrize("kind", CHOICES)
def test_what_is_drawn_can_be_taken_without_knowing_it(kind):
    """As on a GPU, where nothing is read back: all changes are made, and one is taken."""
    which = draw_changes(len(BATCH), kind, 0.7, seeded(2))
    assert set(which.tolist()) == set(range(len(CHOICES[kind]) + 1))
    expected = augment(BATCH, kind, 0.7, seeded(2))
    assert torch.equal(changed(BATCH, kind, which), expected)
    assert torch.equal(_choose(BATCH, CHOICES[kind], which), expected)


@pytest.mark.parametrize("kind", CHOICES)
def test_augment_of_grey_clips_equals_that_of_three_channels(kind):
    grey = BATCH.expand(-1, 3, -1, -1, -1)
    out = augment(grey, kind, 0.5, seeded(3))
    assert torch.equal(out, augment(grey.contiguous(), kind, 0.5, seeded(3)))
    assert out.stride(1) == 0


@pytest.mark.parametrize(
    ("kind", "probability", "side"), [("flip", 0.5, 4), ("rotate", 1.5, 4), ("rotate", 0.5, 3), ("treverse", -0.1, 4)]
)
def test_augment_refuses_what_cannot_be(kind, probability, side):
    with pytest.raises(ValueError, match=r"unknown|probability|rotated"):
        augment(torch.zeros(2, 3, 2, 4, side), kind, probability, seeded(0))
