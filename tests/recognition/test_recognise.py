"""Videos recognised: which frames are seen, what is averaged, what is written and said, and what is refused."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from measure.trained import CONFIG, film, scene
from reeltrace.data.decoding import pyav_frames, read_header
from reeltrace.errors import UserError
from reeltrace.models.checkpoint import save_checkpoint
from reeltrace.recognition import command, flow, recognise, showing, views
from reeltrace.recognition.annotate import Said, with_words
from reeltrace.recognition.command import Asked, recognise_lines
from reeltrace.recognition.nets import Loaded, View, describe, load_net, random_net
from reeltrace.recognition.recognise import Guess, best, read_labels, read_truth, score
from reeltrace.recognition.views import Frames, Views, open_video, places, read_clips, squares

SEEN = View(frames=8, stride=1, side=48, crop=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 frames of 112 x 80 at 25 a second."""
    return film(tmp_path_factory.mktemp("videos") / "film.avi")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network on 8 frames of 64 pixels, with five classes."""
    loaded = random_net("slowfast", 1, **{**CONFIG, "head_window": 1})
    path = tmp_path_factory.mktemp("weights") / "small.pt"
    view = replace(SEEN, side=64, crop=64)
    save_checkpoint(path, describe("slowfast", loaded.config, view), 0, loaded.net)
    return path


# --- which frames ---


def test_clips_are_spread_from_the_first_frame_to_the_last() -> None:
    found = places(100, 30.0, SEEN, 3)
    assert found[0].tolist() == list(range(8)) and found[2].tolist() == list(range(92, 100))
    assert found[1].tolist() == list(range(46, 54))
    assert places(100, 30.0, SEEN, 1).tolist() == [list(range(46, 54))]


def test_a_stride_speaks_of_thirty_frames_a_second() -> None:
    wide = replace(SEEN, stride=2)
    assert places(16, 30.0, wide, 1)[0].tolist() == [0, 2, 4, 6, 8, 10, 12, 15]  # 15 / 7 apart, rounded down
    assert places(32, 60.0, wide, 1)[0][-1] == 31 and places(32, 0.0, wide, 1)[0].tolist()[0] == 8


def test_of_a_short_video_the_last_frame_stands_still() -> None:
    assert places(3, 30.0, SEEN, 2).tolist() == [[0, 1, 2, 2, 2, 2, 2, 2]] * 2


def test_squares_go_from_end_to_end_of_the_longer_side() -> None:
    assert squares(256, 341, 256, 3) == [(0, 0), (0, 42), (0, 85)]
    assert squares(341, 256, 256, 3) == [(0, 0), (42, 0), (85, 0)]
    assert squares(64, 96, 48, 1) == [(8, 24)]


def test_the_clips_of_a_file_are_those_frames(video: Path) -> None:
    frames = list(pyav_frames(video, 48, 68))
    found = list(read_clips(video, read_header(video), SEEN, 3))
    wanted = places(20, 25.0, SEEN, 3)
    assert len(found) == 3 and wanted[0, 0] == 0
    for clip, numbers in zip(found, wanted, strict=True):
        assert (clip == np.stack([frames[number] for number in numbers])).all()


@pytest.mark.parametrize(("clips", "most"), [(10, 12), (40, 40)])
def test_held_are_the_frames_of_clips_that_are_not_complete(
    monkeypatch: pytest.MonkeyPatch, video: Path, clips: int, most: int
) -> None:
    """Of 1,000 frames no more than a few clips' are alive at once."""
    alive: list[Any] = []
    peak = 0

    def decoded(path: Path, height: int, width: int) -> Iterator[Frames]:
        nonlocal peak
        for number in range(1000):
            frame = np.full((height, width, 3), number % 256, np.uint8)
            alive.append(weakref.ref(frame))
            alive[:] = [each for each in alive if each() is not None]
            peak = max(peak, len(alive))
            yield frame

    monkeypatch.setattr(views, "pyav_frames", decoded)
    header = replace(read_header(video), packets=1000, fps=30.0)
    found = [clip[:, 0, 0, 0].tolist() for clip in read_clips(video, header, SEEN, clips)]
    assert found == [[number % 256 for number in clip] for clip in places(1000, 30.0, SEEN, clips).tolist()]
    assert peak <= most


def test_a_file_of_fewer_frames_than_it_promises_ends_with_its_last_one(
    monkeypatch: pytest.MonkeyPatch, video: Path
) -> None:
    header = replace(read_header(video), packets=26, fps=30.0)
    *_, last = read_clips(video, header, SEEN, 3)
    frames = list(pyav_frames(video, 48, 68))
    assert (last[:2] == np.stack(frames[18:])).all() and (last[2:] == frames[19]).all()
    monkeypatch.setattr(views, "pyav_frames", lambda *given: iter(()))
    with pytest.raises(UserError, match="none of its frames can be decoded"):
        list(read_clips(video, header, SEEN, 3))


# --- what is averaged ---


class _Brightness(nn.Module):
    """Two classes; the logit of the first is the mean of what it sees."""

    def forward(self, clip: Tensor) -> Tensor:
        mean = clip.mean((1, 2, 3, 4))
        return torch.stack([mean, torch.zeros_like(mean)], 1)


def test_probabilities_are_the_mean_over_clips_and_crops(video: Path) -> None:
    loaded = replace(random_net("slowfast", **CONFIG), net=_Brightness(), view=SEEN)
    found = recognise.recognise(video, loaded, [recognise.stream_of(loaded, torch.device("cpu"))], Views(3, 2))
    each = []
    for clip in read_clips(video, read_header(video), SEEN, 3):
        for top, left in squares(48, 68, 32, 2):
            mean = ((clip[:, top : top + 32, left : left + 32] / 255 - 0.5) / 0.25).mean()
            each.append(1 / (1 + np.exp(-mean)))
    assert np.std(each) > 0.01
    assert found[0] == pytest.approx(np.mean(each), abs=1e-6) and found.sum() == pytest.approx(1)


def test_of_two_streams_it_is_the_mean_too(video: Path) -> None:
    loaded = replace(random_net("slowfast", **CONFIG), view=SEEN)
    streams = [lambda clip, corner, p=p: torch.tensor([p, 1 - p]) for p in (0.2, 0.6)]
    assert recognise.recognise(video, loaded, streams, Views(2, 1)).tolist() == pytest.approx([0.4, 0.6])  # type: ignore[arg-type]


def test_what_a_network_cannot_take_or_give_is_one_line(video: Path) -> None:
    def failing(clip: Frames, corner: tuple[int, int]) -> Tensor:
        raise RuntimeError("shapes 3 and 4 do not match\nand more")

    loaded = replace(random_net("slowfast", **CONFIG), view=SEEN)
    for stream, said in (
        (failing, r"does not take 8 frames of 32 pixels \(shapes 3 and 4 do not match\); give another"),
        (lambda clip, corner: torch.full((2,), float("nan")), "gives no finite probabilities"),
    ):
        with pytest.raises(UserError, match=said):
            recognise.recognise(video, loaded, [stream], Views(1, 1))


def test_the_best_come_first_and_of_equal_ones_the_first() -> None:
    assert best(np.array([0.1, 0.3, 0.1, 0.5]), 3) == [3, 1, 0]


# --- labels ---


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.txt", "run\n\n jump \n", ["run", "jump"]),
        ("a.json", '["run", "jump"]', ["run", "jump"]),
        ("a.json", '{"\\"jump\\"": 1, "run": 0}', ["run", "jump"]),  # as the public list of Kinetics is quoted
    ],
)
def test_labels_are_lines_or_json(tmp_path: Path, name: str, text: str, found: list[str]) -> None:
    (tmp_path / name).write_text(text)
    assert read_labels(tmp_path / name, 2) == found


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "run\n", "1 names for 2 classes"),
        ("a.json", '{"run": 1, "jump": 2}', "its numbers are not 0 to 1"),
        ("a.json", '{"run": "0"}', "expected a list of names"),
        ("a.json", "{", "not valid JSON"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said):
        read_labels(tmp_path / name, 2)


def test_labels_may_be_left_out() -> None:
    assert read_labels(None, 2) == ["class 0", "class 1"]


def test_the_truth_of_a_set(tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("video,label,more\na.mp4,jump,x\nb.mp4,0,y\n")
    assert read_truth(file, ["run", "jump"]) == {"a.mp4": 1, "b.mp4": 0}
    for text, said in (
        ("name,label\n", "found the columns name, label; expected video and label"),
        ("", "found the columns nothing"),
        ("video,label\n", "names no video"),
        ("video,label\na.mp4,jump\na.mp4,run\n", r"truth.csv:3: 'a.mp4' for the second time"),
        ("video,label\na.mp4,swim\n", r"truth.csv:2: label 'swim' of 'a.mp4'"),
        ("video,label\na.mp4,2\n", r"truth.csv:2: label '2' of 'a.mp4'"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=said):
            read_truth(file, ["run", "jump"])


def test_a_score_counts_what_could_be_read() -> None:
    found = [Guess("a", 1, [1, 0, 2]), Guess("b", 2, [1, 0, 2]), ("c", "broken"), Guess("d", 9, [1, 2, 3, 4, 5, 9])]
    assert score(found) == recognise.Score(3, 1, 2, {"c": "broken"})


# --- the command ---


def asked(path: Path, **changes: Any) -> Asked:
    given: dict[str, Any] = dict.fromkeys(Asked.__dataclass_fields__)
    given |= {"path": path, "views": "2x1", "view": {}, "random_raft": False, "device": "cpu", "seed": 0}
    return Asked(**{**given, **changes})


def test_a_video_is_recognised_annotated_and_drawn(tmp_path: Path, video: Path, checkpoint: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(["run", "jump", "swim", "<sit>", "stand"]))
    out, picture = tmp_path / "out.mp4", tmp_path / "figure.png"
    lines = list(
        recognise_lines(asked(video, checkpoint=checkpoint, labels=labels, views="2x3", output=out, figure=picture))
    )
    assert lines[0] == f"{video}: 2x3 views, slowfast with the weights of {checkpoint}"
    shares = [float(line.split("%")[0]) for line in lines[1:6]]
    assert sum(shares) == pytest.approx(100, abs=0.3) and shares == sorted(shares, reverse=True)
    assert {line.split("%")[1].strip() for line in lines[1:6]} == set(labels.read_text().split())
    assert lines[6] == f"{out}: 20 frames"
    header = read_header(out)
    assert (header.packets, header.height, header.width, header.fps) == (20, 80, 112, 25.0)
    drawn, plain = next(pyav_frames(out, 80, 112)), next(pyav_frames(video, 80, 112))
    said = [Said(line.split("%")[1].strip(), share / 100) for line, share in zip(lines[1:6], shares, strict=True)]
    apart = [np.abs(drawn.astype(int) - frame).mean() for frame in (with_words(plain, said), plain)]
    assert apart[0] < 12 < 30 < apart[1]
    with Image.open(picture) as image:
        assert image.size == (3 * 336 + 2 * 6, 2 * 240 + 6)
    numbers = [int(number) for number in lines[7].rpartition("frames ")[2].split(", ")]
    assert len(set(numbers)) == 6 and numbers == sorted(numbers) and max(numbers) < 20


def test_a_video_of_which_something_is_missing_is_said_to_be_so(
    video: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = replace(read_header(video), careful="18 of its 20 frames are there")
    monkeypatch.setattr(command, "open_video", lambda path: header)
    lines = list(recognise_lines(asked(video, checkpoint=checkpoint, views="1x1")))
    assert lines[1] == "  note: 18 of its 20 frames are there" and len(lines) == 7


def test_a_figure_of_svg_has_its_words_as_text(tmp_path: Path, video: Path) -> None:
    said = [Said("<sit>", 0.75), Said("run", 0.25)]
    for seed in (1, 1, 2):
        showing.figure(video, open_video(video), said, tmp_path / f"{seed}.svg", seed)
    text = (tmp_path / "1.svg").read_text()
    assert "&lt;sit&gt; 75.0 %" in text and text.count("<image ") == 6
    assert text != (tmp_path / "2.svg").read_text()


def test_a_folder_with_its_truth_gives_accuracies(tmp_path: Path, video: Path, checkpoint: Path) -> None:
    film(tmp_path / "a.avi", start=3)
    (tmp_path / "b.avi").write_bytes(video.read_bytes())
    (tmp_path / "c.avi").write_bytes(b"nothing")
    loaded = load_net(checkpoint)
    stream = recognise.stream_of(loaded, torch.device("cpu"))
    guess = best(recognise.recognise(video, loaded, [stream], Views(2, 1)))[0]
    (tmp_path / "truth.csv").write_text(
        f"video,label\na.avi,{(guess + 1) % 5}\nb.avi,class {guess}\nc.avi,0\nd.avi,0\n"
    )
    lines = list(recognise_lines(asked(tmp_path, checkpoint=checkpoint, truth=tmp_path / "truth.csv")))
    assert lines[1] == f"b.avi: class {guess} (right)"
    assert lines[2].startswith(f"left out: {tmp_path / 'c.avi'}: cannot be decoded") and "no such file" in lines[3]
    assert lines[4].startswith("top-1 50.0 % (1 of 2), top-5 100.0 % (2 of 2); 2x1 views")
    assert lines[5] == "2 of 4 videos were left out"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, r"needs a --checkpoint: .* `reeltrace convert` .*--random"),
        ({"checkpoint": Path("no.pt")}, r"no.pt: no such checkpoint; .*`reeltrace convert`"),
        ({"random": "slowfats"}, "no network architecture is named 'slowfats'; it has: "),
        ({"random": "slowfast", "views": "10"}, "--views 10: expected clips times crops"),
        ({"random": "slowfast", "output": Path("a.gif")}, "suffix '.gif'; expected one of .mp4"),
        ({"random": "slowfast", "figure": Path("a.jpg")}, "suffix '.jpg'; expected .png or .svg"),
        ({"random": "slowfast", "raft": Path("a.pt")}, "--raft is for optical flow"),
        ({"random": "slowfast", "path": Path("no.mp4")}, "no.mp4: no such file"),
        ({"random": "slowfast", "path": Path()}, "a folder; name the classes of its videos with --truth"),
        ({"random": "slowfast", "device": "tpu"}, "--device tpu: expected auto"),
        ({"random": "slowfast", "view": {"frames": 0}}, "view: frames: found 0"),
        ({"random": "slowfast", "view": {"side": 100}}, "a crop of 256 pixels of a side of 100"),
    ],
)
def test_what_cannot_be_is_one_line_before_any_work(
    video: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(
        command, "random_net", lambda name, seed: random_net(name, seed, **(CONFIG if name == "slowfast" else {}))
    )
    monkeypatch.setattr(command, "recognise", lambda *given: pytest.fail("work was done"))
    with pytest.raises(UserError, match=said) as error:
        list(recognise_lines(asked(**{"path": video, **changes})))
    assert "\n" not in str(error.value)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    net = nn.Linear(2, 2)
    save_checkpoint(tmp_path / "a.pt", {"architecture": "cnn4"}, 1, net)
    with pytest.raises(UserError, match="of no network that recognises videos; bring one"):
        load_net(tmp_path / "a.pt")
    save_checkpoint(tmp_path / "b.pt", {"network": "slowfast", "config": CONFIG, "view": {}}, 1, net)
    with pytest.raises(UserError, match="its description cannot be read"):
        load_net(tmp_path / "b.pt")
    detector = random_net("slowfast", **{**CONFIG, "head": "detect"})
    with pytest.raises(UserError, match="a network that detects"):
        recognise.stream_of(detector, torch.device("cpu"))


# --- optical flow ---


def right(pictures: Tensor) -> Tensor:
    """As if each picture moved 10 pixels to the right."""
    moved = torch.zeros(len(pictures) - 1, 2, *pictures.shape[2:])
    moved[:, 0] = 10
    return moved


def test_flow_is_cut_scaled_and_kept_for_the_last_frame() -> None:
    clip = np.stack(list(scene(4, height=16, width=24)))
    found = flow.flow_of(clip, right)
    assert found.shape == (2, 4, 16, 24)
    assert (found[0] == 0.75).all() and (found[1] == 0.5).all()
    assert flow.flow_of(clip, lambda pictures: 9 * right(pictures))[0].unique().tolist() == [1.0]
    assert (flow.flow_of(clip[:1], right) == 0.5).all()


def test_a_network_on_flow_sees_two_channels(video: Path) -> None:
    small = {"blocks": (1, 1, 1, 1), "width": 8, "classes": 3, "channels": 2}
    loaded = replace(random_net("r2plus1d", **small), view=replace(SEEN, mean=(0.5, 0.5), std=(0.25, 0.25)))
    calls = []
    stream = flow.flow_stream(loaded, lambda pictures: (calls.append(1), right(pictures))[1], torch.device("cpu"))
    clip = next(read_clips(video, read_header(video), SEEN, 1))
    with torch.inference_mode():
        first, second = stream(clip, (0, 0)), stream(clip, (8, 20))
    assert torch.equal(first, second) and first.sum() == pytest.approx(1)  # the same motion everywhere
    assert len(calls) == 1  # one flow for all crops
    given = torch.zeros(1, 2, 8, 32, 32)
    given[:, 0] = 1.0  # (0.75 - 0.5) / 0.25
    with torch.inference_mode():
        torch.testing.assert_close(loaded.net(given).softmax(1)[0], first)
    with pytest.raises(UserError, match="a network on 3 channels, expected 2: it sees pictures"):
        flow.flow_stream(random_net("slowfast", **CONFIG), right, torch.device("cpu"))
    with pytest.raises(UserError, match="a network on 2 channels, expected 3: it sees optical flow"):
        recognise.stream_of(loaded, torch.device("cpu"))


def test_raft_takes_pictures_of_any_size(tmp_path: Path) -> None:
    computed = flow.raft(None, torch.device("cpu"), random=True)
    with torch.inference_mode():
        assert computed(torch.rand(3, 3, 37, 130)).shape == (2, 2, 37, 130)
    with pytest.raises(UserError, match="name its weights with --raft"):
        flow.raft(None, torch.device("cpu"))
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="not the weights of torchvision's RAFT: a is not in the net"):
        flow.raft(tmp_path / "a.pt", torch.device("cpu"))


def test_two_streams_by_the_command(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def saved(name: str, **config: Any) -> Path:
        made: Loaded = random_net("r2plus1d", **{"blocks": (1, 1, 1, 1), "width": 8, "classes": 3, **config})
        view = made.view.changed(frames=4, side=48, crop=32)
        save_checkpoint(tmp_path / name, describe("r2plus1d", made.config, view), 0, made.net)
        return tmp_path / name

    monkeypatch.setattr(command, "raft", lambda path, device, random: right)
    both = asked(video, checkpoint=saved("rgb.pt"), flow=saved("flow.pt", channels=2), random_raft=True)
    lines = list(recognise_lines(both))
    assert len(lines) == 4 and lines[0].startswith(f"{video}: 2x1 views, r2plus1d and the same on optical flow, with ")
    with pytest.raises(UserError, match=r"other.pt: 4 classes beside 3"):
        list(recognise_lines(replace(both, flow=saved("other.pt", channels=2, classes=4))))
