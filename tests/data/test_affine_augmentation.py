"""Mirroring and affine maps of training clips: what is drawn, and that all frames of a clip move alike."""

import pytest
import torch

from reeltrace.data.transforms import augmented, draw_augmentation, moved
from reeltrace.registry.runs import AffineAugment, Augment

MILD = AffineAugment(kind="affine", flip=0.5, degrees=10, translate=0.1, scale=(0.9, 1.1), shear=5)
NOTHING = torch.tensor([[0.0, 0, 0, 0, 1, 0, 0]], dtype=torch.float64)


def clips(count: int = 4) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 2, 9, 9), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def drawn(**values: float) -> torch.Tensor:
    names = ["flip", "degrees", "right", "down", "scale", "shear_x", "shear_y"]
    row = NOTHING.clone()
    for name, value in values.items():
        row[0, names.index(name)] = value
    return row


def test_what_is_drawn_lies_in_its_ranges_and_fills_them() -> None:
    found = draw_augmentation(4000, MILD, torch.Generator().manual_seed(0))
    assert found.shape == (4000, 7)
    assert found[:, 0].unique().tolist() == [0, 1]
    assert 0.46 < found[:, 0].mean() < 0.54
    for column, (low, high) in enumerate([(-10, 10), (-0.1, 0.1), (-0.1, 0.1), (0.9, 1.1), (-5, 5), (-5, 5)], 1):
        width = high - low
        assert low <= found[:, column].min() < low + 0.01 * width
        assert high - 0.01 * width < found[:, column].max() <= high
        assert abs(found[:, column].mean() - (low + high) / 2) < 0.02 * width


def test_the_same_state_draws_the_same_and_clips_do_not_share_a_map() -> None:
    first, again = (draw_augmentation(3, MILD, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert len({tuple(row) for row in first.tolist()}) == 3


def test_without_a_move_clips_stay_as_they_are_and_the_batch_is_not_changed() -> None:
    batch = clips(1)
    kept = batch.clone()
    assert torch.equal(moved(batch, NOTHING), batch)
    moved(batch, drawn(flip=1, degrees=10))
    assert torch.equal(batch, kept)


def test_mirroring_and_whole_shifts_are_exact() -> None:
    batch = clips(1)
    assert torch.equal(moved(batch, drawn(flip=1)), batch.flip(-1))
    right = moved(batch, drawn(right=1 / 9))
    assert torch.equal(right[..., 1:], batch[..., :-1])
    assert not right[..., 0].any()
    down = moved(batch, drawn(down=2 / 9))
    assert torch.equal(down[..., 2:, :], batch[..., :-2, :])


def test_all_frames_and_channels_of_a_clip_move_alike() -> None:
    frame = clips(1)[:, :1, :1]
    batch = frame.expand(1, 3, 2, 9, 9)
    out = moved(batch, drawn(flip=1, degrees=8, right=0.1, down=-0.05, scale=1.1, shear_x=4, shear_y=-3))
    assert not torch.equal(out, batch)
    assert torch.equal(out, out[:, :1, :1].expand_as(out))


def test_both_kinds_of_augmentation_go_the_same_way() -> None:
    batch = clips()
    reverse = Augment(kind="treverse", probability=1.0)
    which = draw_augmentation(4, reverse, torch.Generator().manual_seed(0))
    assert torch.equal(augmented(batch, reverse, which), batch.flip(2))
    rows = draw_augmentation(4, MILD, torch.Generator().manual_seed(0))
    out = augmented(batch, MILD, rows)
    assert out.dtype == torch.uint8 and out.shape == batch.shape
    assert not torch.equal(out, batch)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": (1.1, 0.9)}, "the smaller one first"),
        ({"flip": 1.5}, "less than or equal to 1"),
        ({"degrees": 90}, "less than 90"),
    ],
)
def test_ranges_that_are_none_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AffineAugment.model_validate({**MILD.model_dump(), **change})
