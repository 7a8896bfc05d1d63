"""What files of sets of videos and of runs hold, in values that were counted by hand."""

from reeltrace.artifacts.pointers import pointer, pointer_to
from reeltrace.artifacts.runs import on_test, predicted, scores_for_dvc
from reeltrace.artifacts.video_sets import Row, about_set, count_frames, count_sides, row_of


def row(video: str, frames: int, expected: int, decoder: str, note: str = "") -> Row:
    return {
        "video": video,
        "shard": "00000.bin",
        "offset": 0,
        "frames": frames,
        "height": 4,
        "width": 5,
        "decoder": decoder,
        "fps": 25.0,
        "note": note,
        "expected": expected,
    }


def test_a_set_counts_its_videos_by_split_and_side() -> None:
    sides = [("train", "test", "unused"), ("train", "unused", "unused"), ("test", "train", "unused")]
    about = about_set("ucf101", "a source", "a licence", "a citation", ("a", "b"), sides, 12)
    assert about["counts"] == {
        "split1": {"train": 2, "test": 1, "unused": 0},
        "split2": {"train": 1, "test": 1, "unused": 1},
        "split3": {"train": 0, "test": 0, "unused": 3},
    }
    assert (about["kind"], about["classes"], about["videos"], about["bytes"]) == ("videos", ["a", "b"], 3, 12)
    assert count_sides(["split2"], []) == {"split2": {"train": 0, "test": 0, "unused": 0}}


def test_frames_count_what_is_stored() -> None:
    rows = [row("a.avi", 9, 10, "pyav", "one is missing"), row("b.avi", 3, 3, "decord")]
    assert count_frames(rows, 2, ("decord", "pyav", "other")) == {
        "videos": 4,
        "broken": 2,
        "short": 1,
        "noted": [{"video": "a.avi", "frames": 9, "expected": 10, "note": "one is missing"}],
        "frames": 12,
        "bytes": 12 * 4 * 5 * 3,
        "decoders": {"decord": 1, "pyav": 1, "other": 0},
    }


def test_a_line_of_the_index_is_read_back() -> None:
    stored = row("a.avi", 9, 10, "pyav", "one is missing")
    assert row_of({name: str(value) for name, value in stored.items()}) == stored


def test_scores_of_a_run_have_one_place_and_one_name() -> None:
    assert (predicted("best", "r90"), predicted("last", "r90", clips=True)) == ("best_r90", "clip_last_r90")
    test = {"original": {"top1": 50.0, "clip": {"top1": 40.0}}, "a/b": {"top1": 30.0}}
    metrics = {"best": {"epoch": 3, "validation": {"top1": 60.0}, "test": test}}
    assert pointer(metrics, pointer_to(*on_test("best", "original", "clip", "top1"))) == 40.0
    assert pointer(metrics, pointer_to(*on_test("best", "a/b", "top1"))) == 30.0
    assert scores_for_dvc(metrics, test) == {"epoch": 3, "validation": 60.0, "original": 50.0, "a/b": 30.0}
