"""Pictures of nets that were trained here: filters and maps follow the group, one scale per layer, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nets import build_model
from reeltrace.errors import UserError
from reeltrace.kinds.measurements.run_pictures import RunPicturesMeasurement, ShownFigure
from reeltrace.measure.run_pictures import Shown, draw_figure, filters, trained_net, watch, write_small_png
from reeltrace.models.checkpoint import save_checkpoint

SIZE = 11  # of clips on which the net is exactly equivariant
WHAT = {"architecture": "cnn4", "classes": 3, "widths": [4, 4, 4, 4], "batch_norm": True, "bias": False}


def net(group: str) -> Any:
    torch.manual_seed(0)
    return build_model(group=group, **WHAT).eval()  # type: ignore[arg-type]


def clip(normalise: Any = None) -> Shown:
    pixels = torch.randint(0, 256, (2, 1, SIZE, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    clips = SimpleNamespace(
        labels=np.array([2, 1]),
        classes=("a", "b", "c"),
        normalise=normalise,
        batch=lambda indices: pixels[list(indices)].to(torch.uint8).expand(-1, 3, -1, -1, -1),
    )
    return Shown(clips, 1)


def figure(**given: Any) -> ShownFigure:
    asked = {"title": "t", "show": "feature-maps", "layers": ("conv1",), "transforms": ("original",), "channels": 1}
    return ShownFigure.model_validate(asked | given)


def test_maps_of_a_reversed_clip_are_reversed_with_their_orientations_exchanged() -> None:
    shown, of = clip(), figure(layers=("conv1", "conv2"))
    plain, reversed_ = (watch(net("t2"), shown.under(name), of, 0, "x") for name in ("original", "treverse"))
    assert torch.allclose(plain[0], reversed_[0], atol=1e-5)
    for layer in of.layers:
        before, after = plain[1][layer].values, reversed_[1][layer].values
        assert before.shape[0] == 2 and plain[1][layer].channels == reversed_[1][layer].channels
        assert np.allclose(after, before[::-1, ::-1], atol=1e-5)
        assert not np.allclose(after, before, atol=1e-2)


def test_filters_stand_under_each_element_of_the_group() -> None:
    both = filters(net("t2").conv1, "conv1", 1, 0, "x").values
    assert np.array_equal(both[1], both[0][::-1])
    four = filters(net("p43d").conv1, "conv1", 1, 0, "x").values
    assert len(four) == 4 and all(np.array_equal(four[k], np.rot90(four[0], k, (1, 2))) for k in range(4))
    assert filters(net("z3").conv1, "conv1", None, 0, "x").channels == [0, 1, 2, 3]


def test_a_figure_has_its_clips_its_maps_on_one_scale_and_the_answers(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    asked = figure(transforms=("original", "r90"), frames=3)
    found = draw_figure(tmp_path, "1", asked, net("p43d"), clip(), 0, "key")
    names = [(picture["layer"], picture["transform"]) for picture in found["pictures"]]
    assert names == [(layer, name) for layer in ("input", "conv1") for name in ("original", "r90")]
    clips, maps = found["pictures"][:2], found["pictures"][2:]
    assert clips[0]["frames"] == [0, 5, 10] and clips[0]["shape"] == [3, SIZE, SIZE, SIZE]
    assert len({(picture["black"], picture["white"]) for picture in maps}) == 1
    assert [len(picture["channels"]) for picture in maps] == [4, 4]
    assert {answer["class"] for answer in found["answers"]} == {"b"}
    assert len({answer["answer"] for answer in found["answers"]}) == 1  # a rotation changes nothing
    for picture in found["pictures"]:
        with Image.open(tmp_path / picture["file"]) as image:
            assert list(image.size) == picture["size"]
    assert json.loads(json.dumps(found)) == found


def test_filters_are_signed_and_a_clip_alone_has_no_answers(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    shown = draw_figure(tmp_path, "2", figure(show="filters", transforms=()), net("t2"), clip(), 0, "key")
    (picture,) = shown["pictures"]
    assert picture["black"] == -picture["white"] and shown["answers"] == []
    alone = draw_figure(tmp_path, "3", figure(show="clip", layers=()), net("t2"), clip(), 0, "key")
    assert [picture["layer"] for picture in alone["pictures"]] == ["input"] and alone["answers"] == []


def test_a_clip_is_normalised_as_its_set_says() -> None:
    plain, scaled = clip(), clip(((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)))
    assert torch.allclose(scaled.under("original"), (plain.under("original") - 0.5) / 0.25)
    assert np.array_equal(scaled.seen("r90"), plain.seen("r90"))


def test_a_layer_that_is_not_there_or_has_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for layers, show, said in (
        (("conv9",), "feature-maps", "no layer 'conv9'"),
        (("fc",), "feature-maps", "fc gives no feature maps"),
        (("maxPool",), "filters", "maxPool is no convolution"),
    ):
        asked = figure(layers=layers, show=show, transforms=() if show == "filters" else ("original",))
        with pytest.raises(UserError, match=said):
            draw_figure(tmp_path, "1", asked, net("t2"), clip(), 0, "key")


def test_a_net_is_what_its_checkpoint_says(tmp_path: Path) -> None:
    model = net("t2")
    save_checkpoint(tmp_path / "best.pt", {**WHAT, "group": "t2"}, 3, model)
    found, architecture = trained_net(tmp_path / "best.pt")
    assert architecture["group"] == "t2" and not found.training
    x = clip().under("original")
    with torch.no_grad():
        assert torch.equal(found(x), model(x))


def test_a_picture_has_fifteen_greys_and_nothing_between_its_tiles(tmp_path: Path) -> None:
    pixels = np.stack([np.arange(256, dtype=np.uint8)[None], np.full((1, 256), 255, np.uint8)], axis=-1)
    pixels[0, 0, 1] = 0
    write_small_png(tmp_path / "a.png", pixels)
    write_small_png(tmp_path / "b.png", pixels)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        shown = np.asarray(image.convert("RGBA"))[0]
    assert shown[0, 3] == 0 and (shown[1:, 3] == 255).all()
    assert len(np.unique(shown[1:, 0])) == 15 and np.abs(shown[1:, 0].astype(int) - np.arange(1, 256)).max() <= 9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers": ()}, "are of layers"),
        ({"transforms": ()}, "are under transforms"),
        ({"show": "clip"}, "a clip of none"),
        ({"frames": 65}, "at most 64 frames"),
    ],
)
def test_a_wrong_figure_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RunPicturesMeasurement.model_validate(
            {
                "kind": "run-pictures",
                "document": "d",
                "run": "r",
                "shows": None,
                "seed": 0,
                "figures": {"1": figure().model_dump() | changes},
            }
        )
