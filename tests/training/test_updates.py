"""Updates after a share of the data: which batches make one up, and that their number has no influence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltrace.data.store import ClipStore
from reeltrace.registry.specs import TrainSpec
from reeltrace.training import loop
from reeltrace.training.evaluation import to_input
from reeltrace.training.loading import Loader, _order

SpecOf = Callable[..., TrainSpec]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 120), st.integers(1, 40), st.sampled_from([None, 0.01, 0.1, 0.5, 1.0]))
def test_each_clip_comes_once_and_updates_are_whole(clips: int, batch_size: int, share: float | None) -> None:
    places = _order(3, 1, clips, batch_size, share)
    assert sorted(torch.cat([place.clips for place in places]).tolist()) == list(range(clips))
    assert max(len(place.clips) for place in places) <= batch_size
    for place in places:
        of = [other for other in places if other.update == place.update]
        assert sum(len(other.clips) for other in of) == place.size
        assert [other.last for other in of] == [False] * (len(of) - 1) + [True]
        assert [other.before for other in of] == [sum(len(o.clips) for o in of[:n]) for n in range(len(of))]
    if share is None:
        assert all(place.last and place.size == len(place.clips) for place in places)
    else:
        updates = places[-1].update + 1
        assert updates == min(clips, round(1 / share))
        sizes = {place.size for place in places}
        assert max(sizes) - min(sizes) <= 1


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 120), st.sampled_from([0.01, 0.1, 0.5]), st.integers(1, 40), st.integers(1, 40))
def test_the_clips_of_an_update_do_not_depend_on_the_batch_size(clips: int, share: float, one: int, two: int) -> None:
    def updates(batch_size: int) -> list[list[int]]:
        found: list[list[int]] = []
        for place in _order(0, 2, clips, batch_size, share):
            found = found if place.update < len(found) else [*found, []]
            found[place.update] += place.clips.tolist()
        return found

    assert updates(one) == updates(two)


@pytest.mark.parametrize("optimizer", ["adam", "rprop", "sgd"])
def test_training_is_the_same_in_micro_batches_of_any_size(
    spec_of: SpecOf, datasets: dict[str, Path], tmp_path: Path, optimizer: str
) -> None:
    """Without batch normalisation, whose statistics are those of a batch, as on fixed statistics."""
    splits = [ClipStore.open(datasets["direction"], split) for split in ("train", "validation")]
    weights = []
    for batch_size in (12, 5, 2):
        spec = spec_of(
            model={"batch_norm": False},
            protocol={
                "optimizer": optimizer, "batch_size": batch_size, "update_after": 0.5, "learning_rate": 0.01,
                "momentum": 0.0, "weight_decay": 0.0,
            },
            device={"precision": "float32"},
        )  # fmt: skip
        trained = loop.train(spec, *splits, tmp_path / str(batch_size), "data")
        weights.append(torch.cat([p.detach().flatten() for p in trained.model.parameters()]))
    start = torch.cat([p.detach().flatten() for p in loop.new_model(spec).parameters()])
    assert (weights[0] - start).norm() > 1e-3
    for other in weights[1:]:
        assert torch.allclose(weights[0], other, atol=2e-5)


def test_an_update_is_the_mean_over_its_clips(spec_of: SpecOf, datasets: dict[str, Path], tmp_path: Path) -> None:
    """One plain gradient step on all clips, by hand."""
    splits = [ClipStore.open(datasets["direction"], split) for split in ("train", "validation")]
    spec = spec_of(
        model={"batch_norm": False},
        protocol={
            "epochs": 1, "milestones": [], "momentum": 0.0, "weight_decay": 0.0, "batch_size": 7, "update_after": 1.0,
        },
        device={"precision": "float32"},
    )  # fmt: skip
    trained = loop.train(spec, *splits, tmp_path, "data")
    model = loop.new_model(spec)
    x = to_input(splits[0].batch(range(len(splits[0]))), splits[0])
    y = torch.from_numpy(splits[0].labels)
    loss = torch.nn.functional.cross_entropy(model.train()(x), y)
    for before, after, gradient in zip(
        model.parameters(), trained.model.parameters(), torch.autograd.grad(loss, list(model.parameters())), strict=True
    ):
        assert torch.allclose(before - 0.1 * gradient, after, atol=1e-5)


def test_what_is_drawn_for_a_clip_does_not_depend_on_the_batch_size(spec_of: SpecOf, datasets: dict[str, Path]) -> None:
    class Drawing:
        labels = ClipStore.open(datasets["direction"], "train").labels
        clip_bytes = 24

        def __len__(self) -> int:
            return len(self.labels)

        def draw(self, indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            return torch.rand(len(indices), 3, generator=generator, dtype=torch.float64)

    drawn = []
    for batch_size in (12, 5):
        spec = spec_of(protocol={"batch_size": batch_size, "update_after": 0.5})
        drawn.append(torch.cat([x for x, _ in Loader(spec, Drawing()).epoch(1)]))  # type: ignore[arg-type]
    assert torch.equal(drawn[0], drawn[1])
