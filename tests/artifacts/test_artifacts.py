"""The artifact protocol: canonical text, hashes, atomic writes, and what a manifest catches."""

import errno
import hashlib
import json
import math
import os
import shutil
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.artifacts.files import atomic_write, sha256_bytes, sha256_file
from reeltrace.artifacts.json_values import canonical_json, parse_json, read_json, write_json, write_json_if_changed
from reeltrace.artifacts.pointers import escape_pointer, pointer
from reeltrace.artifacts.protocol import LARGE, absent, check_outputs, hash_large, make_manifest, outputs_in, swap_in
from reeltrace.errors import CheckFailed, UserError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_canonical_json_keeps_the_value_and_has_one_text(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": value})


@given(st.binary(max_size=300_000))
def test_a_streamed_hash_is_the_hash(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("hash") / "file"
    path.write_bytes(data)
    assert sha256_file(path) == sha256_bytes(data) == hashlib.sha256(data).hexdigest()


@given(VALUES, st.lists(st.text(), max_size=3))
def test_pointers_find_what_they_escape(value: object, keys: list[str]) -> None:
    nested, path = value, ""
    for key in reversed(keys):
        nested, path = {key: nested}, f"/{escape_pointer(key)}{path}"
    assert pointer(nested, path) == value


@pytest.mark.parametrize("path", ["/b", "/a/2", "/a/x", "/a/0/c"])
def test_a_pointer_to_nothing_is_an_error(path: str) -> None:
    with pytest.raises(KeyError):
        pointer({"a": [1, 2]}, path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), atomic_write(path) as handle:
        handle.write(b"half")
        raise RuntimeError
    assert read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"file\.json: the disk is full.*Free some space") as caught:
        write_json(path, {"a": 2})
    assert "\n" not in str(caught.value)
    assert read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_an_equal_value_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    assert write_json_if_changed(path, {"b": 1, "a": 2})
    before = path.stat().st_mtime_ns
    assert not write_json_if_changed(path, {"a": 2, "b": 1})
    assert path.stat().st_mtime_ns == before
    assert write_json_if_changed(path, {"a": 3})


@pytest.mark.parametrize("data", [b"{", b"\xff"])
def test_a_file_that_is_no_json_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(data)
    with pytest.raises(CheckFailed, match=r"metrics\.json"):
        read_json(path)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    write_json(source / "manifest.json", {"schema": 1})
    folder = tmp_path / "artifact"
    folder.mkdir()
    write_json(folder / "spec.json", {"seed": 0})
    write_json(folder / "receipt.json", {"duration_s": 1.0})
    write_json(folder / "metrics.json", {"top1": 50.0})
    (folder / "frames").mkdir()
    (folder / "frames" / "0.bin").write_bytes(b"abc")
    (folder / "scratch").mkdir()
    (folder / "scratch" / "resume.pt").write_bytes(b"x")
    (folder / ".hidden").write_bytes(b"x")
    write_json(folder / "manifest.json", make_manifest(folder, "train", "a", "0" * 64, {"data/d": source}))
    return folder


def test_a_manifest_lists_results_and_only_results(artifact: Path) -> None:
    manifest = read_json(artifact / "manifest.json")
    assert sorted(manifest["outputs"]) == ["frames/", "metrics.json"]
    text = f"0.bin\0{3}\0{sha256_bytes(b'abc')}\n"
    assert manifest["outputs"]["frames/"] == {"bytes": 3, "files": 1, "sha256": sha256_bytes(text.encode())}
    assert manifest["outputs"]["metrics.json"]["sha256"] == sha256_file(artifact / "metrics.json")
    assert manifest["inputs"]["data/d"]["sha256"] == sha256_file(artifact.parent / "source" / "manifest.json")
    assert manifest["spec"]["sha256"] == sha256_file(artifact / "spec.json")
    assert outputs_in(artifact) == ["frames/", "metrics.json"]
    assert check_outputs(artifact) == []


def test_times_and_places_are_not_in_a_manifest(artifact: Path) -> None:
    before = (artifact / "manifest.json").read_bytes()
    write_json(artifact / "receipt.json", {"duration_s": 2.0, "host": "elsewhere"})
    moved = artifact.with_name("moved")
    shutil.move(artifact, moved)
    write_json(
        moved / "manifest.json", make_manifest(moved, "train", "a", "0" * 64, {"data/d": artifact.parent / "source"})
    )
    assert (moved / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "kind"),
    [("metrics.json", "tampered artifact"), ("frames/0.bin", "tampered artifact"), ("spec.json", "stale")],
)
def test_one_changed_byte_is_found_and_named(artifact: Path, name: str, kind: str) -> None:
    """Of a folder the folder is named."""
    path = artifact / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    problems = check_outputs(artifact)
    where = path.parent if name.startswith("frames/") else path
    assert [(p.kind, p.where) for p in problems] == [(kind, str(where))]


def test_a_missing_and_a_cut_file_are_named(artifact: Path) -> None:
    (artifact / "metrics.json").unlink()
    (artifact / "frames" / "0.bin").write_bytes(b"ab")
    assert [(p.kind, Path(p.where).name) for p in check_outputs(artifact)] == [
        ("tampered artifact", "frames"),
        ("broken chain", "metrics.json"),
    ]


@pytest.mark.parametrize("change", ["rename", "add", "remove"])
def test_a_folder_with_other_files_is_tampered(artifact: Path, change: str) -> None:
    file = artifact / "frames" / "0.bin"
    if change == "rename":
        file.rename(file.with_name("1.bin"))
    elif change == "add":
        file.with_name("1.bin").write_bytes(b"")
    else:
        shutil.rmtree(file.parent)
    kind = "broken chain" if change == "remove" else "tampered artifact"
    assert [p.kind for p in check_outputs(artifact)] == [kind]


def test_dot_files_in_a_folder_do_not_count(artifact: Path) -> None:
    """Snakemake leaves its time stamp in folders that it counts as its outputs."""
    (artifact / "frames" / ".snakemake_timestamp").touch()
    assert check_outputs(artifact) == []


def test_what_is_missing_is_named_by_names_alone(artifact: Path) -> None:
    names = ("receipt.json", *read_json(artifact / "manifest.json")["outputs"])
    (folder,) = (name for name in names if name.endswith("/"))
    assert absent(artifact, names) == ""
    for name in names:
        (artifact / name).rename(artifact / "aside")
        assert absent(artifact, names) == f"{name} is not there"
        (artifact / "aside").rename(artifact / name)
    one, *others = (path for path in (artifact / folder).rglob("*") if path.is_file())
    one.unlink()
    assert absent(artifact, names) == f"{folder} has {len(others)} of its {len(others) + 1} files"
    (artifact / "manifest.json").write_text("{}")  # says nothing of it
    assert absent(artifact, names) == ""


def test_large_outputs_are_compared_by_size_under_a_limit(artifact: Path) -> None:
    (artifact / "frames" / "0.bin").write_bytes(b"abd")
    assert check_outputs(artifact, limit=2) == []
    assert [p.kind for p in check_outputs(artifact, limit=3)] == ["tampered artifact"]


def test_large_files_hashed_ahead_are_checked_as_strictly(artifact: Path) -> None:
    names = [f"frames/{number}" for number in range(3)]
    for name in names:
        (artifact / name).write_bytes(name.encode() * LARGE)
    (artifact / "manifest.json").write_text(json.dumps(make_manifest(artifact, "data", "x", "0" * 64, {})))
    assert check_outputs(artifact, sha256_of=hash_large([artifact], 2)) == []
    with (artifact / names[2]).open("r+b") as handle:
        handle.write(b"F")
    (problem,) = check_outputs(artifact, sha256_of=hash_large([artifact], 2))
    assert problem.where == str(artifact / "frames")


def test_large_files_are_hashed_once_and_pipes_are_not_opened(artifact: Path) -> None:
    large, small = artifact / "large", artifact / "small"
    large.write_bytes(b"a" * (LARGE + 1))
    small.write_bytes(b"a" * LARGE)
    os.mkfifo(artifact / "pipe")
    sha256_of = hash_large([artifact], 2)
    expected = {path: sha256_bytes(path.read_bytes()) for path in (large, small)}
    for path in (large, small):
        path.write_bytes(b"b")
    assert sha256_of(large) == expected[large]
    assert sha256_of(small) == sha256_bytes(b"b")


def test_a_manifest_of_another_schema_is_stale(artifact: Path) -> None:
    write_json(artifact / "manifest.json", {"schema": 9, "spec": {"sha256": ""}, "outputs": {}})
    assert [p.kind for p in check_outputs(artifact)] == ["stale"]


@pytest.mark.parametrize("value", [[], {}, {"schema": 1}])
def test_a_manifest_with_other_fields_is_tampered(artifact: Path, value: object) -> None:
    write_json(artifact / "manifest.json", value)
    assert [p.kind for p in check_outputs(artifact)] == ["tampered artifact"]


def test_swapping_in_replaces_the_whole_folder(tmp_path: Path, artifact: Path) -> None:
    work = tmp_path / ".artifact.work"
    work.mkdir()
    (work / "new").write_text("new")
    swap_in(work, artifact)
    assert [p.name for p in artifact.iterdir()] == ["new"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["artifact", "source"]


def test_a_text_file_can_be_written_too(tmp_path: Path) -> None:
    handle: IO[str]
    with atomic_write(tmp_path / "a" / "dvc.yaml", "w") as handle:
        handle.write("ä\n")
    assert (tmp_path / "a" / "dvc.yaml").read_bytes() == "ä\n".encode()


# --- files that cannot be read ---


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 5000, "nested deeper than 100 levels"),
        ('{"a": ' * 5000 + "1" + "}" * 5000, "nested deeper than 100 levels"),
        ("[" * 400 + "]" * 400, "nested deeper than 100 levels"),
        ("9" * 5000, "not valid JSON"),
        ("\xff", "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_json_that_cannot_be_read_is_named_in_one_line(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(CheckFailed, match=words) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_deep_json_within_the_bound_is_read() -> None:
    assert parse_json("[" * 100 + "]" * 100)
    with pytest.raises(ValueError, match="deeper"):
        parse_json("[" * 101 + "]" * 101)
    assert parse_json(b'{"a": [1, {"b": []}], "c": "[[["}') == {"a": [1, {"b": []}], "c": "[[["}


def make_unreadable(path: Path, how: str) -> None:
    """Put in the place of a file what can be named but not read."""
    path.unlink(missing_ok=True)
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    else:
        target = {"nowhere": "gone", "loop": path.name, "broken disk": "/proc/self/mem", "endless": "/dev/zero"}[how]
        path.symlink_to(target)


HOW = ["folder", "pipe", "nowhere", "loop", "broken disk", "endless"]


@pytest.mark.parametrize("how", HOW)
def test_what_stands_in_place_of_a_file_is_named(tmp_path: Path, how: str) -> None:
    path = tmp_path / "metrics.json"
    make_unreadable(path, how)
    with pytest.raises(CheckFailed) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ["metrics.json", "spec.json", "manifest.json"])
def test_one_file_that_cannot_be_read_does_not_hide_the_others(artifact: Path, name: str, how: str) -> None:
    make_unreadable(artifact / name, how)
    if name == "manifest.json":
        with pytest.raises(CheckFailed, match="manifest"):
            check_outputs(artifact)
        return
    (artifact / "frames" / "0.bin").write_bytes(b"abd")
    found = {Path(problem.where).name for problem in check_outputs(artifact)}
    assert {name, "frames"} <= found


def test_an_error_of_reading_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.symlink_to("/proc/self/mem")  # opens well, and reading it is an input/output error
    with pytest.raises(OSError, match="Input/output error") as caught:
        sha256_file(path)
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("code", [errno.EFBIG, errno.EIO, errno.EROFS])
def test_an_error_of_writing_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=rf"/file\.json: cannot be written \({os.strerror(code)}\); correct that"):
        write_json(tmp_path / "file.json", {})
    assert list(tmp_path.iterdir()) == []
