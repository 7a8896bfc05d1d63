"""Pictures of weights and feature maps: which pixel has which grey, what is chosen, and what is said of wrong files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.encoded import encode as encode_as
from measure.trained import CONFIG, NETWORK, film, net, save
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import write_json
from reeltrace.artifacts.names import SPEC
from reeltrace.artifacts.protocol import make_manifest
from reeltrace.data.standin import encode
from reeltrace.errors import UserError
from reeltrace.kinds.measurements.pictures import MOST_TILES, PicturesMeasurement
from reeltrace.measure import pictures
from reeltrace.measure.pictures_stage import run
from reeltrace.registry.specs import MeasureSpec

WEIGHTS = {"show": "weights", "title": "weights", "channels": None, "layers": ("slow.0.0.conv", "fast.0.0.conv")}
MAPS = {
    "show": "feature-maps",
    "title": "maps",
    "video": 1,
    "frames": "spread",
    "stack": "below",
    "layers": ("slow.0.0.conv",),
}
FIGURES = {"7.10": {**MAPS, "video": 2, "stack": "beside"}, "7.4": WEIGHTS, "7.6": MAPS}
COLOURS = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}


def spec(checkpoint: Path, videos: list[Path], **changes: Any) -> MeasureSpec:
    asked: dict[str, Any] = {
        "kind": "pictures",
        "document": "d",
        "of": "nets",
        "network": "slowfast",
        "view": "inference",
        "checkpoint": str(checkpoint),
        "videos": [str(path) for path in videos],
        "normalise": COLOURS,
        "channels": 4,
        "frames": 8,
        "seed": 0,
        "figures": FIGURES,
    }
    asked |= changes
    measurement = PicturesMeasurement.model_validate(asked)
    return MeasureSpec(
        stage="measure", key="small", scale="smoke", measurement=measurement, networks={"slowfast": NETWORK}
    )


def drawn(asked: MeasureSpec, folder: Path) -> Any:
    folder.mkdir()
    assert run(asked, {}, folder) == {}
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "pictures"]
    return json.loads((folder / "metrics.json").read_text())


def pixels(folder: Path, picture: Any) -> Any:
    """Grey and opacity (H, W, 2) of a picture that was written."""
    with Image.open(folder / picture["file"]) as image:
        assert image.mode == "LA" and list(image.size) == picture["size"]
        return np.array(image)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(net(), tmp_path_factory.mktemp("weights") / "slowfast.pt")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("videos")
    return [film(folder / "first.avi"), film(folder / "second.avi", start=5)]


def test_a_known_kernel_has_the_known_greys(tmp_path: Path) -> None:
    model = net()
    weight = model.get_submodule("fast.0.0.conv").weight  # (2, 3, 5, 7, 7)
    with torch.no_grad():
        weight.zero_()
        weight[:, 1:] = 9.0  # of the other input channels nothing is shown
        weight[0, 0, 0, 0, 0] = 2.0
        weight[0, 0, 4, 6, 6] = -2.0
        weight[1, 0, 2, 3, 0] = 1.0
    found = drawn(spec(save(model, tmp_path / "w.pt"), []), tmp_path / "work")
    picture = found["figures"][0]["pictures"][1]
    assert (picture["layer"], picture["shape"]) == ("fast.0.0.conv", [2, 3, 5, 7, 7])
    assert (picture["black"], picture["white"]) == (-2.0, 2.0)
    assert (picture["channels"], picture["frames"]) == ([0, 1], [0, 1, 2, 3, 4])
    shown = pixels(tmp_path / "work", picture)
    assert shown.shape == (2 * 28 + 2, 5 * 28 + 4 * 2, 2)  # a row per kernel, time across, each weight 4 x 4 pixels
    expected = np.zeros((58, 148, 2), np.uint8)
    for top in (0, 30):
        for left in range(0, 148, 30):
            expected[top : top + 28, left : left + 28] = (128, 255)  # zero is the middle grey
    expected[:4, :4, 0] = 255
    expected[24:28, 144:, 0] = 0
    expected[30 + 12 : 30 + 16, 60:64, 0] = 191  # a quarter of the way from the middle to white's end: 127.5 + 63.75
    assert np.array_equal(shown, expected)


def test_a_map_is_what_the_convolution_itself_gives_for_the_frames_of_the_video(
    tmp_path: Path, videos: list[Path]
) -> None:
    model = net()
    weight = model.get_submodule("slow.0.0.conv").weight  # (8, 3, 1, 7, 7)
    with torch.no_grad():
        weight.zero_()
        weight[:, 0, 0, 3, 3] = -torch.arange(1.0, 9.0)  # minus red, times 1 to 8: ReLU would leave half of it
    asked = spec(save(model, tmp_path / "w.pt"), videos[:1])
    found = drawn(asked, tmp_path / "work")
    figure = found["figures"][1]
    (picture,) = figure["pictures"]
    assert (figure["figure"], figure["video"], figure["left_out"]) == ("7.6", 1, None)
    assert (picture["shape"], picture["frames"]) == ([8, 4, 32, 32], [0, 1, 2, 3])
    clip = pictures.read_clip(videos[0], 16, 64, COLOURS["mean"], COLOURS["std"], "m.videos")
    assert found["videos"][0] | {"path": ""} == {
        "path": "",
        "sha256": sha256_file(videos[0]),
        "bytes": videos[0].stat().st_size,
        "start": 2,
        "frames": 16,
        "height": 64,
        "width": 90,
    }
    red = clip.pixels[
        0, 0, ::4, ::2, ::2
    ].numpy()  # the slow pathway sees every fourth frame, its stem every other pixel
    maps = np.stack([-(channel + 1) * red for channel in picture["channels"]])
    assert (picture["black"], picture["white"]) == pytest.approx((maps.min(), maps.max()), rel=1e-5)
    shown = pixels(tmp_path / "work", picture)
    greys = np.rint(255 * (maps - maps.min()) / (maps.max() - maps.min())).repeat(2, -2).repeat(2, -1)
    for row in range(4):
        for column in range(4):
            tile = shown[66 * row : 66 * row + 64, 66 * column : 66 * column + 64]
            assert (tile[..., 1] == 255).all()
            assert np.abs(tile[..., 0].astype(int) - greys[row, column]).max() <= 1
    assert (shown[64:66] == 0).all() and (shown[:, 64:66] == 0).all()  # between tiles the page shows


def test_two_runs_leave_the_same_bytes(tmp_path: Path, checkpoint: Path, videos: list[Path]) -> None:
    asked = spec(checkpoint, videos)
    manifests = []
    for name in ("a", "b"):
        found = drawn(asked, tmp_path / name)
        write_json(tmp_path / name / SPEC, {})
        manifests.append(make_manifest(tmp_path / name, "measure", "small", "0" * 64, {}))
    assert manifests[0] == manifests[1]
    assert manifests[0]["outputs"]["pictures/"]["files"] == 4
    assert [figure["figure"] for figure in found["figures"]] == ["7.4", "7.6", "7.10"]
    assert found["checkpoint"] == {
        "path": str(checkpoint),
        "sha256": sha256_file(checkpoint),
        "bytes": checkpoint.stat().st_size,
    }
    other = drawn(spec(checkpoint, videos[::-1]), tmp_path / "swapped")
    before, after = (m["figures"][1]["pictures"][0] for m in (found, other))
    assert before["sha256"] != after["sha256"]
    assert before["channels"] == after["channels"]  # two videos are compared on the same channels


def test_without_videos_the_weights_are_drawn_and_the_rest_is_left_out_with_a_reason(
    tmp_path: Path, checkpoint: Path, videos: list[Path]
) -> None:
    none = drawn(spec(checkpoint, []), tmp_path / "none")["figures"]
    assert [(f["figure"], len(f["pictures"])) for f in none] == [("7.4", 2), ("7.6", 0), ("7.10", 0)]
    assert none[1]["left_out"] == "it needs 1 under measurements.small.videos in params.yaml, which names 0"
    one = drawn(spec(checkpoint, videos[:1]), tmp_path / "one")["figures"]
    assert [len(f["pictures"]) for f in one] == [2, 1, 0]
    assert one[2]["left_out"] == "it needs 2 under measurements.small.videos in params.yaml, which names 1"


def test_only_so_many_channels_of_the_weights_are_shown(tmp_path: Path, checkpoint: Path) -> None:
    figures = {"7.5": {**WEIGHTS, "channels": 5, "layers": ("slow.0.0.conv",)}}
    (figure,) = drawn(spec(checkpoint, [], figures=figures), tmp_path / "work")["figures"]
    (picture,) = figure["pictures"]
    assert picture["channels"] == [0, 1, 2, 3, 4]
    assert picture["size"] == [2 * 28 + 2, 3 * 28 + 2 * 2]
    shown = pixels(tmp_path / "work", picture)
    assert (shown[60:, 30:] == 0).all() and (shown[60:, :28, 1] == 255).all()  # the last row ends early


def test_the_clip_is_the_middle_of_the_video(tmp_path: Path) -> None:
    path = tmp_path / "levels.avi"
    path.write_bytes(encode((np.full((48, 64, 3), 20 * t, np.uint8) for t in range(12)), 25))
    clip = pictures.read_clip(path, 4, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "m.videos")
    assert (clip.pixels.shape, clip.start) == ((1, 3, 4, 32, 32), 4)
    levels = (clip.pixels.mean(dim=(0, 1, 3, 4)) * 0.25 + 0.5) * 255
    assert levels.tolist() == pytest.approx([80, 100, 120, 140], abs=4)
    whole = pictures.read_clip(path, 12, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "m.videos")
    assert whole.start == 0


def test_a_video_is_seen_as_it_is_shown_and_whole(tmp_path: Path) -> None:
    """By the rules of the stored frames: one that was filmed with the camera turned is upright, one cut off refused."""
    colours = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    path = encode_as(tmp_path / "a.mp4", "mp4", 12, turned=90)
    turned = pictures.read_clip(path, 4, 48, *colours, "m.videos")
    plain = pictures.read_clip(encode_as(tmp_path / "b.mp4", "mp4", 12), 4, 48, *colours, "m.videos")
    assert (turned.height, turned.width, plain.height, plain.width) == (64, 48, 48, 64)
    apart = (turned.pixels - plain.pixels.rot90(-1, (3, 4))).abs()
    assert 4 * apart.mean() < (turned.pixels - plain.pixels).abs().mean()
    path = encode_as(tmp_path / "c.mkv", "mkv", 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"c\.mkv cannot be decoded \(only \d+ of 60 frames are there\); name another"):
        pictures.read_clip(path, 4, 48, *colours, "m.videos")


def test_maps_are_averaged_to_the_size_of_a_tile_and_their_frames_are_first_or_spread() -> None:
    values = torch.arange(20.0).view(1, 20, 1, 1).expand(1, 20, 128, 96).clone()
    values[:, :, 0, 0] += 4.0
    maps = pictures.Maps(values, [0], [1, 20, 128, 96])
    first = pictures.map_tiles(maps, 8, spread=False)
    assert first.frames == list(range(8))
    assert first.values.shape == (1, 8, 64, 48)
    assert first.values[0, 3, 0, :2].tolist() == [4.0, 3.0]  # the mean of 7, 3, 3, 3
    assert (first.black, first.white) == (0.0, 8.0)
    spread = pictures.map_tiles(maps, 8, spread=True)
    assert spread.frames == [0, 3, 5, 8, 11, 14, 16, 19]
    assert pictures.map_tiles(maps, 32, spread=True).frames == list(range(20))


def test_greys_run_from_black_to_white_in_proportion() -> None:
    values = np.array([-1.0, -0.5, 0.0, 0.5, 1.0], np.float32)
    assert pictures.grey(values, -1.0, 1.0).tolist() == [0, 64, 128, 191, 255]
    assert pictures.grey(values, 3.0, 3.0).tolist() == [128] * 5


def test_channels_are_chosen_by_seed_and_layer_alone() -> None:
    chosen = pictures.chosen_channels("slow.0.0.conv", 64, 4, 0)
    assert chosen == [15, 31, 53, 54]
    assert chosen != pictures.chosen_channels("slow.0.0.conv", 64, 4, 1)
    assert chosen != pictures.chosen_channels("fast.1.0.conv", 64, 4, 0)
    assert pictures.chosen_channels("x", 3, 4, 0) == [0, 1, 2]


def test_the_largest_picture_stays_below_200_kilobytes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(4, MOST_TILES // 4, 64, 64)).astype(np.float32)
    tiles = pictures.Tiles(noise, [0, 1, 2, 3], [], [], float(noise.min()), float(noise.max()))
    pictures.write_png(tmp_path / "noise.png", pictures.maps_sheet(tiles, beside=False))
    assert (tmp_path / "noise.png").stat().st_size < 200_000
    down, across = (pictures.maps_sheet(tiles, beside=beside).shape[:2] for beside in (False, True))
    assert down == across[::-1] == (4 * 66 - 2, MOST_TILES // 4 * 66 - 2)


def checkpoint_of(model: torch.nn.Module) -> Callable[[Path], dict[str, Any]]:
    return lambda folder: {"checkpoint": str(save(model, folder / "other.pt"))}


def damaged() -> torch.nn.Module:
    model = net()
    with torch.no_grad():
        model.get_submodule("slow.0.0.conv").weight[0, 0, 0, 0, 0] = float("nan")
    return model


def file_of(content: bytes, name: str) -> Callable[[Path], dict[str, Any]]:
    def made(folder: Path) -> dict[str, Any]:
        (folder / name).write_bytes(content)
        return {"videos": [str(folder / name)]}

    return made


def short(folder: Path) -> dict[str, Any]:
    return {"videos": [str(film(folder / "short.avi", frames=15))]}


def figure(show: dict[str, Any], layer: str) -> Callable[[Path], dict[str, Any]]:
    return lambda folder: {"figures": {"7.4": {**show, "layers": (layer,)}}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (lambda folder: {"checkpoint": str(folder / "absent.pt")}, r"small\.checkpoint: \S+absent\.pt: no such file"),
        (checkpoint_of(net(classes=6)), r"small\.checkpoint: .*head.fc.bias is \(6,\), expected \(5,\)\. Name a file"),
        (checkpoint_of(torch.nn.Linear(1, 1)), r"small\.checkpoint: .*weights of another architecture or head"),
        (checkpoint_of(damaged()), r"small\.checkpoint: not every value in slow\.0\.0\.conv is finite"),
        (file_of(b"no video", "v.avi"), r"small\.videos: \S+v\.avi cannot be decoded \(.+\); name another video"),
        (file_of(b"", "v.avi"), r"small\.videos: \S+v\.avi cannot be decoded \(.+\); name another video"),
        (short, r"small\.videos: \S+short\.avi has 15 frames, the view takes 16; name a longer video"),
        (
            lambda folder: {"view": "tiny"},
            r"small\.view: tiny of slowfast: .*16 x 16, expected at least .*larger clips",
        ),
        (
            figure(WEIGHTS, "slow.0.7.conv"),
            r"small\.figures\.7\.4\.layers: slowfast has no layer 'slow\.0\.7\.conv'; .*slow\.0\.0",
        ),
        (
            figure(WEIGHTS, "slow.0.0"),
            r"small\.figures\.7\.4\.layers: slow\.0\.0 of slowfast is no convolution; .*slow\.0\.0\.conv",
        ),
        (figure(MAPS, "head.fc"), r"small\.figures: head\.fc of slowfast gives no feature maps"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line_with_its_place(
    tmp_path: Path, checkpoint: Path, videos: list[Path], changes: Any, said: str
) -> None:
    asked = spec(**{"checkpoint": checkpoint, "videos": videos[:1], **changes(tmp_path)})
    (tmp_path / "work").mkdir()
    with pytest.raises(UserError, match=said) as caught:
        run(asked, {}, tmp_path / "work")
    message = str(caught.value)
    assert message.startswith("params.yaml: measurements.small.") and "\n" not in message


def test_too_little_memory_is_said(
    tmp_path: Path, checkpoint: Path, videos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(pictures, "feature_maps", full)
    with pytest.raises(UserError, match=r"small\.view: inference of slowfast: memory does not suffice .* smaller crop"):
        run(spec(checkpoint, videos), {}, tmp_path)


def test_a_net_for_detection_is_given_boxes(tmp_path: Path, videos: list[Path]) -> None:
    boxed = NETWORK.model_copy(
        update={
            "config": {**CONFIG, "head": "detect"},
            "views": {"inference": NETWORK.views["inference"].model_copy(update={"boxes": 1})},
        }
    )
    asked = spec(save(net(head="detect"), tmp_path / "w.pt"), videos)
    found = drawn(asked.model_copy(update={"networks": {"slowfast": boxed}}), tmp_path / "work")
    assert [len(figure["pictures"]) for figure in found["figures"]] == [2, 1, 1]
