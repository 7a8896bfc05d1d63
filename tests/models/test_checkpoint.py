"""Checkpoints: reproducible bytes, a faithful way back, and refusal of everything else."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nets import build_model
from reeltrace.errors import UserError
from reeltrace.models.checkpoint import load_checkpoint, restore, save_checkpoint
from reeltrace.models.weights import read_tensors

ARCHITECTURE: dict[str, Any] = {
    "architecture": "cnn4",
    "group": "t2",
    "classes": 3,
    "widths": [4, 8, 8, 8],
    "batch_norm": True,
    "bias": False,
}


def build(**changes: Any) -> nn.Module:
    settings = {**ARCHITECTURE, **changes}
    return build_model(**settings)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[nn.Module, Path]:
    model = build()
    model(torch.randn(2, 3, 7, 7, 7))  # moves the running statistics
    path = tmp_path / "best.pt"
    save_checkpoint(path, ARCHITECTURE, 7, model)
    return model, path


def test_what_was_saved_comes_back(saved: tuple[nn.Module, Path]) -> None:
    model, path = saved
    other = build()
    assert restore(other, {**ARCHITECTURE, "widths": (4, 8, 8, 8)}, path) == 7
    for (name, a), (_, b) in zip(model.state_dict().items(), other.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    architecture, epoch, state = load_checkpoint(path)
    assert (architecture, epoch, list(state)) == (ARCHITECTURE, 7, list(model.state_dict()))


def test_equal_content_gives_equal_bytes(saved: tuple[nn.Module, Path], tmp_path: Path) -> None:
    model, path = saved
    again = tmp_path / "a-much-longer-name.checkpoint"
    other = build().to(memory_format=torch.channels_last_3d)
    restore(other, ARCHITECTURE, path)
    save_checkpoint(again, dict(reversed(ARCHITECTURE.items())), 7, other)
    assert again.read_bytes() == path.read_bytes()
    # Strings that are the same object in one run and only equal in another must not matter either.
    save_checkpoint(again, {str(k).encode().decode(): v for k, v in ARCHITECTURE.items()}, 7, model)
    assert again.read_bytes() == path.read_bytes()
    save_checkpoint(again, ARCHITECTURE, 8, model)
    assert again.read_bytes() != path.read_bytes()


def test_saving_leaves_nothing_beside_the_file_and_replaces_it_whole(
    saved: tuple[nn.Module, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = saved
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, ARCHITECTURE, 8, model)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("architecture", "resnet18", r'architecture is "cnn4" in the file, expected "resnet18"'),
        ("group", "p43d", r'group is "t2" in the file, expected "p43d"'),
        ("classes", 4, r"classes is 3 in the file, expected 4"),
        ("widths", [4, 8, 8, 16], r"widths is \[4, 8, 8, 8\] in the file, expected \[4, 8, 8, 16\]"),
        ("options", {"max_pool": True}, r'options is absent in the file, expected {"max_pool": true}'),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    saved: tuple[nn.Module, Path], field: str, value: Any, shown: str
) -> None:
    _, path = saved
    model = build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(UserError, match=shown) as caught:
        restore(model, {**ARCHITECTURE, field: value}, path)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_description_that_belies_its_parameters_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.pt"
    save_checkpoint(path, ARCHITECTURE, 1, build(classes=5))
    with pytest.raises(UserError, match=r"fc.bias is \(5,\), expected \(3,\); delete it and train again"):
        restore(build(), ARCHITECTURE, path)
    save_checkpoint(path, ARCHITECTURE, 1, build(bias=True))
    with pytest.raises(UserError, match=r"conv1.bias is not in the net; delete it"):
        restore(build(), ARCHITECTURE, path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.pt does not exist"):
        load_checkpoint(tmp_path / "gone.pt")


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved: tuple[nn.Module, Path], keep: float) -> None:
    _, path = saved
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(UserError, match=r"best\.pt cannot be read") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


class Trap:
    """Unpickling it makes a folder: visible proof that code from the file was run."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("raw", [True, False], ids=["pickle", "archive"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, raw: bool) -> None:
    path, folder = tmp_path / "trap.pt", tmp_path / "made-by-the-file"
    payload = {"schema": 1, "architecture": ARCHITECTURE, "epoch": 1, "state": {"x": Trap(folder)}}
    if raw:
        path.write_bytes(pickle.dumps(payload))
    else:
        torch.save(payload, path)
    words = "no checksums" if raw else "more than plain tensors"
    with pytest.raises(UserError, match=rf"trap\.pt cannot be read .* {words}") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="more than plain tensors"):
        read_tensors(path, hashed=True)
    assert not folder.exists()
    with contextlib.suppress(RuntimeError):  # a bare pickle runs, and then is no checkpoint
        torch.load(path, weights_only=False)
    assert folder.exists(), "the trap itself must work, or this test proves nothing"


@pytest.mark.parametrize("payload", [[1], {"schema": 2}, {"schema": 1, "epoch": 1}, torch.zeros(1)], ids=repr)
def test_other_content_is_refused(tmp_path: Path, payload: Any) -> None:
    path = tmp_path / "other.pt"
    torch.save(payload, path)
    with pytest.raises(UserError, match=r"lacks the expected content"):
        load_checkpoint(path)


# --- damage ---


def damages(content: bytes, seed: int, number: int) -> Iterator[tuple[str, bytes]]:
    """Single damages at random places: a bit flipped, a byte replaced, a block zeroed, the file cut, a block lost."""
    draw = random.Random(seed)
    for _ in range(number):
        at, kind = draw.randrange(len(content)), draw.choice(("flip", "replace", "zero", "cut", "lose"))
        size = draw.choice((1, 16, 512))
        damaged = {
            "flip": content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :],
            "replace": content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :],
            "zero": content[:at] + bytes(len(content[at : at + size])) + content[at + size :],
            "cut": content[:at],
            "lose": content[:at] + content[at + size :],
        }[kind]
        if damaged != content:
            yield f"{kind} at {at} of {len(content)}", damaged


def same(a: Any, b: Any) -> bool:
    """Whether two loaded values are equal, tensors to the bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def test_a_damaged_checkpoint_is_refused_or_unharmed(saved: tuple[nn.Module, Path]) -> None:
    """Damage to a value or a tensor is refused in one line; only damage beside them all may pass."""
    _, path = saved
    content, whole = path.read_bytes(), load_checkpoint(path)
    listed = content.index(b"PK\x01\x02")  # where the list of records begins
    tried = [
        *damages(content, seed=1, number=300),
        *((name, content[:listed] + end) for name, end in damages(content[listed:], seed=3, number=300)),
    ]
    refused, harmful = 0, []
    for name, damaged in tried:
        path.write_bytes(damaged)
        try:
            if not same(load_checkpoint(path), whole):
                harmful.append(name)
        except UserError as error:
            refused += 1
            assert str(error).isprintable() and len(str(error)) < 300, name
    assert harmful == []
    assert refused > 400


def test_every_byte_of_every_record_is_under_a_checksum(saved: tuple[nn.Module, Path]) -> None:
    _, path = saved
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        records = {entry.header_offset: (entry.filename, archive.read(entry)) for entry in archive.infolist()}
    draw = random.Random(2)
    assert any("/data/" in name for name, _ in records.values())
    for offset, (name, record) in records.items():
        start = offset + 30 + sum(struct.unpack_from("<HH", content, offset + 26))  # past the header, name and extra
        assert content[start : start + len(record)] == record
        for at in draw.sample(range(len(record)), min(len(record), 10)):
            flipped = content[: start + at] + bytes([record[at] ^ 0x10]) + content[start + at + 1 :]
            path.write_bytes(flipped)
            with pytest.raises(UserError, match=r"cannot be read \(damaged: its record \S+ does not match") as caught:
                load_checkpoint(path)
            assert "\n" not in str(caught.value), name


def test_a_record_that_is_marked_as_a_folder_is_refused(saved: tuple[nn.Module, Path]) -> None:
    """One changed bit: torch would take it for empty and hand out memory that nobody wrote."""
    _, path = saved
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        number = next(n for n, entry in enumerate(archive.infolist()) if entry.filename.endswith("/data/3"))
    at = -1
    for _ in range(number + 1):
        at = content.index(b"PK\x01\x02", at + 1)
    content[at + 38] = 0x10
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"its record '3' does not match"):
        load_checkpoint(path)


def test_a_file_without_checksums_is_refused_unless_it_was_hashed(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="no checksums: then save it again"):
        read_tensors(path)
    assert torch.equal(read_tensors(path, hashed=True)["w"], torch.ones(2))
