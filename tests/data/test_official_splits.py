"""The official lists, strictly: what is read, and each way in which they can fail to add up."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.miniature import files_below
from reeltrace.data import standin
from reeltrace.data.official_splits import Layout, Splits, read_splits
from reeltrace.errors import UserError

UCF, HMDB = "ucfTrainTestlist", "testTrainMulti_7030_splits"
CLASSES = 3


def lists_of(layout: Layout, folder: Path) -> list[str]:
    """Write the official lists of a small set; the videos that they name."""
    made = standin.videos(layout, classes=CLASSES, groups=8, clips_per_group=1)
    for path, text in standin.split_files(layout, made, 8, seed=0).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return [video.path.relative_to("videos").as_posix() for video in made]


@pytest.mark.parametrize("layout", ["ucf101", "hmdb51"])
def test_lists_become_labels_and_sides(layout: Layout, tmp_path: Path) -> None:
    videos = lists_of(layout, tmp_path)
    found = read_splits(layout, tmp_path / "splits", videos, CLASSES)
    assert found.classes == standin.class_names(layout, CLASSES)
    assert set(found.labels) == set(found.sides) == set(videos)
    sides = standin.sides(layout, 8, 0)
    names = {standin.UNUSED: "unused", standin.TRAIN: "train", standin.TEST: "test"}
    for video in standin.videos(layout, classes=CLASSES, groups=8, clips_per_group=1):
        path = video.path.relative_to("videos").as_posix()
        assert found.labels[path] == video.label
        assert found.sides[path] == tuple(names[sides[split][video.group]] for split in (1, 2, 3))


def test_labels_follow_the_numbers_of_the_list_not_the_alphabet(tmp_path: Path) -> None:
    folder = tmp_path / "splits" / UCF
    folder.mkdir(parents=True)
    (folder / "classInd.txt").write_text("1 Zebra\r\n2 Apple\r\n")
    videos = ["UCF-101/Zebra/v_Zebra_g01_c01.avi", "UCF-101/Apple/v_Apple_g09_c01.avi"]
    for split in (1, 2, 3):
        (folder / f"trainlist0{split}.txt").write_text("Apple/v_Apple_g09_c01.avi 2\r\n")
        (folder / f"testlist0{split}.txt").write_text("Zebra/v_Zebra_g01_c01.avi\r\n\r\n")
    found = read_splits("ucf101", tmp_path / "splits", videos, 2)
    assert found.classes == ("Zebra", "Apple")
    assert found.labels == {videos[0]: 0, videos[1]: 1}
    assert found.sides == {videos[0]: ("test",) * 3, videos[1]: ("train",) * 3}


# Class folder and file name in the archive, and as a list writes them
SPELLINGS = [
    (("HandstandPushups", "v_HandStandPushups_g01_c01.avi"), ("HandstandPushups", "v_HandStandPushups_g01_c01.avi")),
    (("HandstandPushups", "v_HandStandPushups_g01_c01.avi"), ("HandstandPushups", "v_HandstandPushups_g01_c01.avi")),
    (("HandStandPushups", "v_HandStandPushups_g01_c01.avi"), ("HandstandPushups", "v_HandStandPushups_g01_c01.avi")),
    (("HandstandPushups", "v_HandstandPushups_g01_c01.avi"), ("HandstandPushups", "v_HandStandPushups_g01_c01.avi")),
]


def pushups(folder: Path, listed: tuple[str, str], videos: list[str]) -> Splits:
    lists = folder / "splits" / UCF
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("1 HandstandPushups\n")
    for split in (1, 2, 3):
        (lists / f"trainlist0{split}.txt").write_text("/".join(listed) + " 1\n")
        (lists / f"testlist0{split}.txt").write_text("")
    return read_splits("ucf101", folder / "splits", videos, 1)


@pytest.mark.parametrize(("there", "listed"), SPELLINGS)
def test_another_capital_is_the_same_video_if_only_one_is_meant(
    there: tuple[str, str], listed: tuple[str, str], tmp_path: Path
) -> None:
    video = "UCF-101/" + "/".join(there)
    found = pushups(tmp_path, listed, [video])
    assert found.labels == {video: 0}
    assert found.sides == {video: ("train", "train", "train")}


def test_another_capital_that_may_mean_two_videos_is_refused(tmp_path: Path) -> None:
    videos = [f"UCF-101/HandstandPushups/v_{name}_g01_c01.avi" for name in ("HandSTANDPushups", "HANDstandPushups")]
    with pytest.raises(UserError, match=r"trainlist01\.txt:1: .* may be .* or "):
        pushups(tmp_path, ("HandstandPushups", "v_HandStandPushups_g01_c01.avi"), videos)


def first_line(text: str) -> str:
    return text.splitlines(keepends=True)[0]


def replace_first(new: str) -> Callable[[str], str]:
    return lambda text: new + "\n" + text[len(first_line(text)) :]


UCF_TRAIN, UCF_TEST = f"{UCF}/trainlist01.txt", f"{UCF}/testlist02.txt"
HMDB_LIST = f"{HMDB}/approach_test_split2.txt"
MISTAKES: list[tuple[Layout, str, Callable[[str], str], str]] = [
    ("ucf101", UCF_TRAIN, replace_first("BounceBall/v_BounceBall_g99_c01.avi 1"), r"trainlist01\.txt:1: video .*g99.*"),
    ("ucf101", UCF_TRAIN, replace_first("Bounce/v_BounceBall_g04_c01.avi 1"), r":1: unknown class 'Bounce'"),
    ("ucf101", UCF_TRAIN, replace_first("BounceBall/v_BounceBall_g10_c01.avi 2"), r":1: class BounceBall has number 2"),
    ("ucf101", UCF_TRAIN, replace_first("BounceBall/v_BounceBall_g10_c01.avi"), r":1: found .* expected Class/v_"),
    ("ucf101", UCF_TRAIN, replace_first("BounceBall v_BounceBall_g10_c01.avi 1"), r":1: found"),
    ("ucf101", UCF_TRAIN, lambda text: text + first_line(text), r"is listed twice, first at .*trainlist01\.txt:1"),
    ("ucf101", UCF_TEST, replace_first("../BounceBall/v_BounceBall_g10_c01.avi"), r"testlist02\.txt:1: found"),
    (
        "ucf101",
        f"{UCF}/testlist01.txt",
        lambda text: text + "BounceBall/v_BounceBall_g10_c01.avi\n",
        r"on both sides of split 1, first at .*trainlist01\.txt",
    ),
    ("ucf101", f"{UCF}/classInd.txt", replace_first("2 BounceBall"), r"classInd\.txt:1: .* the number 1"),
    ("ucf101", f"{UCF}/classInd.txt", lambda text: text + "4 PushLeft\n", r"classInd\.txt:4: .* new class name"),
    ("ucf101", f"{UCF}/classInd.txt", lambda text: text + "4 Juggling\n", r"4 classes are listed, 3 expected"),
    ("hmdb51", HMDB_LIST, replace_first("nobody_approach_f_cm_np1_fr_med_0.avi 1 "), r"split2\.txt:1: video .*nobody"),
    ("hmdb51", HMDB_LIST, replace_first("Photo_Scene_01_approach_f_cm_np1_fr_med_0.avi 3"), r":1: found .* 0, 1 or 2"),
    ("hmdb51", HMDB_LIST, replace_first("Photo_Scene_01_approach_f_cm_np1_fr_med_0.avi"), r":1: found"),
    ("hmdb51", HMDB_LIST, lambda text: text + first_line(text), r"is listed twice, first at .*split2\.txt:1"),
    ("hmdb51", HMDB_LIST, replace_first(" 1"), r":1: found"),
]


@pytest.mark.parametrize(("layout", "name", "change", "said"), MISTAKES)
def test_a_mistake_is_refused_with_its_line(
    layout: Layout, name: str, change: Callable[[str], str], said: str, tmp_path: Path
) -> None:
    videos = lists_of(layout, tmp_path)
    path = tmp_path / "splits" / name
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=said) as caught:
        read_splits(layout, tmp_path / "splits", videos, CLASSES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("layout", "name"), [("ucf101", f"{UCF}/testlist03.txt"), ("ucf101", f"{UCF}/classInd.txt"), ("hmdb51", HMDB_LIST)]
)
def test_a_missing_list_is_named(layout: Layout, name: str, tmp_path: Path) -> None:
    videos = lists_of(layout, tmp_path)
    (tmp_path / "splits" / name).unlink()
    with pytest.raises(UserError, match=rf"{Path(name).name}: no such list"):
        read_splits(layout, tmp_path / "splits", videos, CLASSES)


def test_no_lists_at_all(tmp_path: Path) -> None:
    for layout in ("ucf101", "hmdb51"):
        with pytest.raises(UserError, match="bring the official split files"):
            read_splits(layout, tmp_path, [], CLASSES)  # type: ignore[arg-type]


def test_a_list_that_is_no_text_or_has_another_name(tmp_path: Path) -> None:
    videos = lists_of("hmdb51", tmp_path)
    (tmp_path / "splits" / HMDB / "approach_split1.txt").write_text("")
    with pytest.raises(UserError, match="found another file"):
        read_splits("hmdb51", tmp_path / "splits", videos, CLASSES)
    (tmp_path / "splits" / HMDB / "approach_split1.txt").unlink()
    (tmp_path / "splits" / HMDB_LIST).write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        read_splits("hmdb51", tmp_path / "splits", videos, CLASSES)


def test_a_class_without_lists_is_unknown(tmp_path: Path) -> None:
    videos = lists_of("hmdb51", tmp_path)
    with pytest.raises(UserError, match="videos/juggle: unknown class"):
        read_splits("hmdb51", tmp_path / "splits", [*videos, "juggle/x_0.avi"], CLASSES)


@pytest.mark.parametrize(
    ("layout", "video"),
    [("ucf101", "UCF-101/PushLeft/v_PushLeft_g25_c07.avi"), ("hmdb51", "leave/other_leave_f_cm_np1_fr_med_9.avi")],
)
def test_a_video_that_no_list_names_is_unused(layout: Layout, video: str, tmp_path: Path) -> None:
    videos = lists_of(layout, tmp_path)
    found = read_splits(layout, tmp_path / "splits", [*videos, video], CLASSES)
    assert found.sides[video] == ("unused", "unused", "unused")
    assert found.classes[found.labels[video]] == video.split("/")[-2]
    if layout == "ucf101":
        with pytest.raises(UserError, match="its folder is no class"):
            read_splits(layout, tmp_path / "splits", [*videos, "UCF-101/Juggling/v_Juggling_g01_c01.avi"], CLASSES)


def test_the_lists_are_only_read(tmp_path: Path) -> None:
    videos = lists_of("hmdb51", tmp_path)
    before = files_below(tmp_path)
    read_splits("hmdb51", tmp_path / "splits", videos, CLASSES)
    assert files_below(tmp_path) == before
