"""Stand-in sets: the official layout, the same bytes again, resuming, and what the classes are told apart by."""

import math
import os
import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.data import standin, videos_stage
from reeltrace.errors import UserError

KINDS: tuple[standin.Kind, ...] = ("ucf101", "hmdb51")
SMALL: dict[str, Any] = {"classes": 2, "groups": 3, "clips_per_group": 2, "frames": (4, 7), "seed": 5}


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, hidden files too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[standin.Kind, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    standin.generate(request.param, folder, **SMALL)
    return request.param, folder


# --- layout ---


def test_ucf_files_lie_as_in_the_official_archives(tmp_path: Path) -> None:
    standin.generate("ucf101", tmp_path, classes=2, groups=3, clips_per_group=1, frames=(2, 2), seed=0)
    found = files(tmp_path)
    assert sorted(name for name in found if name.startswith("videos/")) == [
        f"videos/UCF-101/{name}/v_{name}_g{group:02d}_c01.avi"
        for name in ("PushLeft", "PushRight")
        for group in (1, 9, 17)
    ]
    folder = "splits/ucfTrainTestlist/"
    assert found[folder + "classInd.txt"] == b"1 PushLeft\n2 PushRight\n"
    assert found[folder + "testlist02.txt"] == (b"PushLeft/v_PushLeft_g09_c01.avi\nPushRight/v_PushRight_g09_c01.avi\n")
    assert found[folder + "trainlist02.txt"] == (
        b"PushLeft/v_PushLeft_g01_c01.avi 1\nPushLeft/v_PushLeft_g17_c01.avi 1\n"
        b"PushRight/v_PushRight_g01_c01.avi 2\nPushRight/v_PushRight_g17_c01.avi 2\n"
    )
    assert len(found) == 6 + 7


def test_hmdb_files_lie_as_in_the_official_archives(tmp_path: Path) -> None:
    standin.generate("hmdb51", tmp_path, classes=2, groups=3, clips_per_group=1, frames=(2, 2), seed=0)
    found = files(tmp_path)
    assert sorted(name for name in found if name.startswith("videos/")) == [
        f"videos/{name}/Photo_Scene_{group:02d}_{name}_f_cm_np1_fr_med_0.avi"
        for name in ("approach", "leave")
        for group in (1, 9, 17)
    ]
    lists = {name for name in found if name.startswith("splits/")}
    assert lists == {
        f"splits/testTrainMulti_7030_splits/{name}_test_split{split}.txt"
        for name in ("approach", "leave")
        for split in (1, 2, 3)
    }
    for name in lists:
        action = name.split("/")[-1].split("_test_split")[0]
        lines = found[name].decode().splitlines(keepends=True)
        assert len(lines) == 3
        for line in lines:
            assert re.fullmatch(rf"Photo_Scene_\d\d_{action}_f_cm_np1_fr_med_0\.avi [012] \n", line)


@pytest.mark.parametrize("groups", [3, 4, 7, 10, 14, 21, 25])
def test_the_official_rule_of_ucf_decides_by_group(groups: int) -> None:
    made = standin.videos("ucf101", classes=3, groups=groups, clips_per_group=2)
    lists = {path.name: text.split("\n")[:-1] for path, text in standin.split_files("ucf101", made, groups, 0).items()}
    names = {f"{video.action.name}/{video.path.name}" for video in made}
    for split, first in ((1, 1), (2, 8), (3, 15)):
        test = lists[f"testlist0{split}.txt"]
        train = [line.rsplit(" ", 1) for line in lists[f"trainlist0{split}.txt"]]
        assert test and train
        assert Counter(test) + Counter(name for name, _ in train) == Counter(names)
        assert {int(name[-10:-8]) in range(first, first + 7) for name in test} == {True}
        assert not any(int(name[-10:-8]) in range(first, first + 7) for name, _ in train)
        classes = dict(line.split(" ") for line in lists["classInd.txt"])
        assert all(classes[label] == name.split("/")[0] for name, label in train)


def test_all_25_groups_are_numbered_1_to_25() -> None:
    assert standin.group_numbers(25) == tuple(range(1, 26))


@pytest.mark.parametrize(
    ("groups", "unused", "train", "test"), [(3, 0, 2, 1), (10, 1, 6, 3), (14, 1, 9, 4), (25, 2, 16, 7)]
)
def test_hmdb_tests_on_three_tenths_and_leaves_some_out(groups: int, unused: int, train: int, test: int) -> None:
    made = standin.videos("hmdb51", classes=2, groups=groups, clips_per_group=1)
    tested = set()
    for path, text in standin.split_files("hmdb51", made, groups, 3).items():
        rows = [line.split() for line in text.splitlines()]
        assert len({name for name, _ in rows}) == groups
        assert Counter(side for _, side in rows) == Counter({"0": unused, "1": train, "2": test})
        now = {name for name, side in rows if side == "2"}
        assert not now & tested, f"{path}: tested in two splits"
        tested |= now


@pytest.mark.parametrize("kind", KINDS)
def test_no_group_is_on_both_sides_and_the_seed_leaves_the_official_rule_alone(kind: standin.Kind) -> None:
    made = standin.videos(kind, classes=3, groups=14, clips_per_group=3)
    for split, side in standin.sides(kind, 14, seed=1).items():
        by_side = defaultdict(set)
        for video in made:
            by_side[side[video.group]].add(video.group)
        assert by_side[standin.TRAIN] and by_side[standin.TEST], split
        assert sum(len(groups) for groups in by_side.values()) == 14
    same = standin.sides(kind, 14, seed=1) == standin.sides(kind, 14, seed=2)
    assert same == (kind == "ucf101")


# --- files ---


def test_two_runs_give_the_same_bytes(made: tuple[standin.Kind, Path], tmp_path: Path) -> None:
    kind, folder = made
    standin.actor.cache_clear()
    standin.generate(kind, tmp_path, **SMALL)
    assert files(tmp_path) == files(folder)


@pytest.mark.parametrize("threads", [2, 5])
def test_the_bytes_do_not_depend_on_how_many_are_drawn_at_a_time(
    made: tuple[standin.Kind, Path], threads: int, tmp_path: Path
) -> None:
    kind, folder = made
    standin.actor.cache_clear()
    seen: list[tuple[int, int]] = []
    progress = lambda done, everything: seen.append((done, everything))  # noqa: E731
    standin.generate(kind, tmp_path, **SMALL, threads=threads, progress=progress)
    assert files(tmp_path) == files(folder)
    assert seen == [(done, 12) for done in range(1, 13)]


def test_what_stops_one_of_several_threads_stops_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, calls = standin.encode, []

    def failing(*args: Any) -> bytes:
        calls.append(args)
        if len(calls) == 3:
            raise Killed
        return encode(*args)

    monkeypatch.setattr(standin, "encode", failing)
    with pytest.raises(Killed):
        standin.generate("ucf101", tmp_path, **SMALL, threads=2)
    assert 3 <= len(calls) < 12
    assert not (tmp_path / "splits").exists()
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("shape", ["ball", "box", "ring", "cross", "star", "flag", "wheel"])
@pytest.mark.parametrize("kind", [float, np.float64])  # which decides in what precision the edges are computed
def test_a_shape_is_blended_as_its_definition_says(shape: standin.Shape, kind: type[float]) -> None:
    """To the byte: what makes drawing faster must not change the sets."""
    rng = np.random.default_rng(3)
    sprite = standin._Sprite(shape, rng.uniform(0, 255, (2, 3)).astype(np.float32), 1.7, 20.0)
    for _ in range(20):
        frame = rng.integers(0, 256, (72, 96, 3)).astype(np.uint8)
        (x, y), size, angle = rng.uniform(0, 90, 2), kind(rng.uniform(0.3, 2)), kind(rng.uniform(-7, 7))
        radius = sprite.radius * size
        columns, rows = np.arange(96) + 0.5, np.arange(72)[:, None] + 0.5
        across, down = ((columns - x) / radius).astype(np.float32), ((rows - y) / radius).astype(np.float32)
        cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        u, v = cosine * across + sine * down, cosine * down - sine * across
        near = (np.abs(columns - x) < radius + 0.5) & (np.abs(rows - y) < radius + 0.5)
        alpha = (standin.coverage(shape, u, v, 1.5 / radius) * near)[..., None]
        colour = np.where(((u * np.float32(1.7)) % 1 < 0.6)[..., None], sprite.colours[0], sprite.colours[1])
        expected = (frame + alpha * (colour - frame)).astype(np.uint8)
        standin._blit(frame, sprite, np.array([x, y]), size, angle)
        assert np.array_equal(frame, expected)


def test_two_bytes_at_a_time_give_what_one_gives() -> None:
    rng = np.random.default_rng(4)
    table = rng.integers(0, 256, 256).astype(np.uint8)
    frame = rng.integers(0, 256, (24, 31, 4)).astype(np.uint8)
    assert np.array_equal(standin._looked_up(table, frame), table[frame])
    assert np.array_equal(standin._looked_up(table, frame[::2, 1:9].copy()), table[frame[::2, 1:9]])


def test_as_many_videos_are_drawn_at_a_time_as_the_job_has_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert videos_stage.drawing_threads() == 3
    for none in ("0", "", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", none)
        assert videos_stage.drawing_threads() == len(os.sched_getaffinity(0))


def test_another_seed_gives_other_videos(made: tuple[standin.Kind, Path], tmp_path: Path) -> None:
    kind, folder = made
    standin.generate(kind, tmp_path, **{**SMALL, "seed": 6})
    first, second = files(folder), files(tmp_path)
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first if name.endswith(".avi"))


def test_a_smaller_set_is_part_of_a_larger_one(made: tuple[standin.Kind, Path], tmp_path: Path) -> None:
    kind, folder = made
    standin.generate(kind, tmp_path, **{**SMALL, "classes": 3, "groups": 3, "clips_per_group": 1})
    large, small = files(tmp_path), files(folder)
    shared = [name for name in small if name.endswith(".avi") and name in large]
    assert len(shared) == 6
    assert all(large[name] == small[name] for name in shared)


def test_videos_decode_to_the_declared_frames(made: tuple[standin.Kind, Path]) -> None:
    kind, folder = made
    paths = sorted((folder / "videos").rglob("*.avi"))
    assert len(paths) == 12
    lengths = set()
    for path in paths:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "mpeg4"
            assert stream.codec_context.codec_tag == "XVID"
            assert stream.average_rate == (25 if kind == "ucf101" else 30)
            assert container.format.name == "avi"
            declared = stream.frames
        frames = decode(path)
        assert len(frames) == declared
        lengths.add(declared)
        assert frames[0].shape[0] == 240
        assert frames[0].shape[1] in ((320,) if kind == "ucf101" else (320, 352, 416, 424))
    assert lengths <= {4, 5, 6, 7}
    assert len(lengths) > 1


def test_decoded_frames_are_those_that_were_drawn(made: tuple[standin.Kind, Path]) -> None:
    kind, folder = made
    video = standin.videos(kind, classes=2, groups=3, clips_per_group=2)[-1]
    drawn = list(standin.render(kind, video, SMALL["frames"], SMALL["seed"]))
    decoded = decode(folder / video.path)
    assert len(drawn) == len(decoded)
    errors = [np.abs(one.astype(int) - other).mean() for one, other in zip(drawn, decoded, strict=True)]
    assert max(errors) < 8, errors
    assert max(errors) > 0  # lossy, as the official files are


def test_hmdb_widths_vary() -> None:
    widths = {standin.actor("hmdb51", group, 0).background.shape[1] for group in standin.group_numbers(25)}
    assert len(widths) > 2


# --- killed runs ---


class Killed(Exception):
    pass


def test_a_killed_run_resumes_and_ends_in_the_same_bytes(made: tuple[standin.Kind, Path], tmp_path: Path) -> None:
    kind, folder = made

    def kill(done: int, everything: int) -> None:
        assert everything == 12
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        standin.generate(kind, tmp_path, **SMALL, progress=kill)
    finished = sorted((tmp_path / "videos").rglob("*.avi"))
    assert len(finished) == 5
    times = [path.stat().st_mtime_ns for path in finished]
    stray = finished[0].with_name(f".{finished[0].name}.123.tmp")
    stray.write_bytes(b"half a video")

    seen: list[tuple[int, int]] = []
    standin.generate(kind, tmp_path, **SMALL, progress=lambda done, everything: seen.append((done, everything)))
    assert seen == [(done, 12) for done in range(1, 13)]
    assert [path.stat().st_mtime_ns for path in finished] == times, "finished videos were made again"
    assert files(tmp_path) == files(folder)


def test_a_video_that_fails_to_be_made_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def failing(*args: object) -> bytes:
        calls.append(args)
        raise Killed

    monkeypatch.setattr(standin, "encode", failing)
    with pytest.raises(Killed):
        standin.generate("ucf101", tmp_path, **SMALL)
    assert len(calls) == 1
    assert files(tmp_path) == {}


# --- what the classes are ---


@pytest.mark.parametrize("kind", KINDS)
def test_class_names_are_in_the_official_style_and_in_label_order(kind: standin.Kind) -> None:
    names = standin.class_names(kind)
    assert len(set(names)) == 10
    assert list(names) == sorted(names)
    style = r"([A-Z][a-z]+)+" if kind == "ucf101" else r"[a-z]+(_[a-z]+)*"
    assert all(re.fullmatch(style, name) for name in names)
    assert [video.label for video in standin.videos(kind, classes=10, groups=3, clips_per_group=1)] == [
        label for label in range(10) for _ in range(3)
    ]
    assert (
        set(standin.class_names(kind, 2))
        == {
            "ucf101": {"PushLeft", "PushRight"},
            "hmdb51": {"approach", "leave"},
        }[kind]
    ), "even the smallest set has classes that differ only by direction"
    documented = standin.class_names.__doc__ or ""
    assert all(name in documented for name in names)


DRAWS = st.builds(
    standin.Draws,
    reach=st.floats(0.1, 0.5),
    cycles=st.integers(1, 3),
    side=st.sampled_from((-1, 1)),
    phase=st.floats(0, 6.3),
    tilt=st.floats(0, 6.3),
)
ACTIONS = {action.name: action for kind in KINDS for action in standin.actions(kind)}


@pytest.mark.parametrize("name", ACTIONS)
@given(draws=DRAWS, frames=st.integers(2, 60))
def test_a_motion_played_backwards_is_one_of_the_class_that_is_named(
    name: str, draws: standin.Draws, frames: int
) -> None:
    action = ACTIONS[name]
    other = ACTIONS[action.reversal]
    assert other.reversal == name
    assert other.shape == action.shape
    path = standin.trajectory(action, draws, frames)
    assert path.shape == (frames, 4)
    same = draws
    if action.reversal == name and action.rotations:  # these go either way: the reversed sense, begun at the end
        end = draws.side * np.pi * draws.cycles
        same = replace(draws, side=-draws.side, tilt=draws.tilt + (end if "heel" in name else 0))
    np.testing.assert_allclose(path[::-1], standin.trajectory(other, same, frames), atol=1e-9)


@pytest.mark.parametrize("name", [name for name, action in ACTIONS.items() if action.reversal != name])
def test_direction_pairs_move_differently(name: str) -> None:
    draws = standin.Draws(reach=0.3, cycles=2, side=1, phase=0.0, tilt=0.0)
    path = standin.trajectory(ACTIONS[name], draws, 30)
    other = standin.trajectory(ACTIONS[ACTIONS[name].reversal], draws, 30)
    assert np.abs(path - other).max() > 0.25
    # ... and in nothing but order: the same places, each as often
    np.testing.assert_allclose(np.sort(path, axis=0), np.sort(other, axis=0), atol=1e-9)


@pytest.mark.parametrize("name", [name for name, action in ACTIONS.items() if action.rotations])
def test_motions_that_turns_leave_in_their_class(name: str) -> None:
    draws = standin.Draws(reach=0.3, cycles=2, side=1, phase=0.4, tilt=0.2)
    path = standin.trajectory(ACTIONS[name], draws, 30)
    turned = np.stack([path[:, 1], -path[:, 0], path[:, 2], path[:, 3] - np.pi / 2], axis=1)
    again = replace(draws, phase=draws.phase - np.pi / 2, tilt=draws.tilt - np.pi / 2)
    np.testing.assert_allclose(turned, standin.trajectory(ACTIONS[name], again, 30), atol=1e-9)


def centroids(frames: list[np.ndarray], colours: np.ndarray) -> np.ndarray:
    """Middle (x, y) of what is coloured as the actor is."""
    found = []
    for frame in frames:
        near = np.abs(frame[:, :, None].astype(float) - colours).sum(axis=3).min(axis=2)
        y, x = np.nonzero(near < 40)
        found.append((x.mean(), y.mean()))
    return np.array(found)


@pytest.mark.parametrize(("name", "axis", "sign"), [("PushRight", 0, 1), ("PushLeft", 0, -1), ("RaiseFlag", 1, -1)])
def test_the_pictures_show_the_motion(name: str, axis: int, sign: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = standin.Actor(np.full((256, 336, 3), 128, np.uint8), np.array([[140.0, 20, 20], [20, 140, 20]]), 1.5, 0.3)
    monkeypatch.setattr(standin, "actor", lambda *args: plain)
    monkeypatch.setattr(standin, "_passer", lambda *args: None)
    monkeypatch.setattr(standin, "_pillar", lambda *args: None)
    made = standin.videos("ucf101", classes=10, groups=25, clips_per_group=1)
    for video in [video for video in made if video.action.name == name][:4]:
        frames = list(standin.render("ucf101", video, (16, 16), 0))
        # undo the light, which the grey background tells
        frames = [frame * (128 / frame[0, 0].mean()) for frame in frames]
        middles = centroids(frames, plain.colours)
        steps = middles[-3:].mean(axis=0) - middles[:3].mean(axis=0)
        assert sign * steps[axis] > 40
        assert abs(steps[1 - axis]) < 25


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_shares_its_background_and_other_groups_have_others(kind: standin.Kind) -> None:
    made = standin.videos(kind, classes=10, groups=3, clips_per_group=2)
    corners: dict[int, list[np.ndarray]] = defaultdict(list)
    for video in made[:6] + made[-6:]:  # two classes, all groups
        first = next(standin.render(kind, video, (2, 2), 0)).astype(float)
        # light scales the picture, the camera shakes, and the actor is in the middle: compare what none of them changes
        blocks = first[8:232, 8:312].reshape(8, 28, 8, 38, 3).mean(axis=(1, 3))
        edge = np.concatenate([blocks[0], blocks[-1], blocks[1:-1, 0], blocks[1:-1, -1]])
        corners[video.group].append((edge / edge.mean()).ravel())
    for group, pictures in corners.items():
        assert len(pictures) == 4
        inside = [np.corrcoef(pictures[0], other)[0, 1] for other in pictures[1:]]
        outside = [np.corrcoef(pictures[0], other)[0, 1] for key in corners if key != group for other in corners[key]]
        assert min(inside) > max(outside), (group, inside, outside)


@pytest.mark.parametrize("shape", ["ball", "box", "ring", "cross", "star", "flag", "wheel"])
def test_shapes_fit_their_disc_and_differ(shape: standin.Shape) -> None:
    v, u = np.meshgrid(*[np.linspace(-1.2, 1.2, 121)] * 2, indexing="ij")
    area = standin.coverage(shape, u, v, 0.02)
    assert area.min() == 0
    assert area.max() == 1
    assert area[np.hypot(u, v) > 1.1].max() == 0
    for other in {"ball", "box", "ring", "cross", "star", "flag", "wheel"} - {shape}:
        assert np.abs(area - standin.coverage(other, u, v, 0.02)).mean() > 0.02


# --- what cannot be made ---


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"classes": 0}, "classes"),
        ({"classes": 11}, "classes"),
        ({"groups": 2}, "groups"),
        ({"groups": 26}, "groups"),
        ({"clips_per_group": 0}, "clips_per_group"),
        ({"frames": (1, 5)}, "frames"),
        ({"frames": (6, 5)}, "frames"),
    ],
)
def test_impossible_settings_are_named(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{named}: .*found"):
        standin.generate("ucf101", tmp_path, **{**SMALL, **change})
    assert files(tmp_path) == {}
