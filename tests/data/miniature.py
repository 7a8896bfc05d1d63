"""Miniatures of the official archives: their names and nesting, with a few real videos inside."""

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import yaml

SIGNATURE = b"Rar!\x1a\x07\x00"
DOS_TIME = 0x46210000  # 2015-01-01 00:00:00


def _block(kind: int, flags: int, body: bytes) -> bytes:
    """A header of RAR 4: the low half of its CRC-32, type, flags, size, body."""
    rest = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(rest) & 0xFFFF) + rest


def rar(
    members: Mapping[str, bytes], *, links: Mapping[str, str] | None = None, modes: Mapping[str, int] | None = None
) -> bytes:
    """A RAR 4 archive whose files are stored as they are. A name that ends in a slash is a folder.

    `modes` are empty entries of other modes.
    """
    parts = [SIGNATURE, _block(0x73, 0, bytes(6))]
    entries = [(name, data, 0o100644) for name, data in members.items()]
    entries += [(name, target.encode(), 0o120777) for name, target in (links or {}).items()]
    entries += [(name, b"", mode) for name, mode in (modes or {}).items()]
    for name, data, mode in entries:
        folder = name.endswith("/")
        text = name.rstrip("/").replace("/", "\\").encode() if folder else name.encode()
        body = struct.pack(
            "<IIBIIBBHI",
            len(data),
            len(data),
            3,  # made on Unix
            zlib.crc32(data),
            DOS_TIME,
            20,
            0x30,  # stored
            len(text),
            0o040755 if folder else mode,
        )
        flags = 0x8000 | (0xE0 if folder else 0)
        parts += [_block(0x74, flags, body + text), data]
    return b"".join([*parts, _block(0x7B, 0x4000, b"")])


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path with slashes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def zipped(members: Mapping[str, bytes], path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def archives(kind: str, made: Path, folder: Path) -> None:
    """Pack a stand-in set, `videos/` and `splits/` below `made`, as the official archives of `kind` are packed."""
    videos, splits = files_below(made / "videos"), files_below(made / "splits")
    if kind == "ucf101":
        (folder / "UCF101.rar").write_bytes(rar(videos))
        zipped(splits, folder / "UCF101TrainTestSplits-RecognitionTask.zip")
        return
    by_class: dict[str, dict[str, bytes]] = {}
    for name, data in videos.items():
        by_class.setdefault(name.partition("/")[0], {})[name] = data
    (folder / "hmdb51_org.rar").write_bytes(rar({f"{name}.rar": rar(some) for name, some in by_class.items()}))
    (folder / "test_train_splits.rar").write_bytes(rar(splits))


def flat_zip(made: Path, path: Path) -> None:
    """The second source of UCF-101: all videos in one folder."""
    videos = files_below(made / "videos")
    zipped({f"UCF101/{name.rpartition('/')[2]}": data for name, data in videos.items()}, path)


def declare(declared: Path, base: str, folder: Path) -> None:
    """Point the declared sources whose files lie in `folder` to a server at `base`, with their own size and hash."""
    entries = yaml.safe_load(declared.read_text())
    for entry in entries.values():
        path = folder / entry.get("name", "")
        if "urls" in entry:
            entry["urls"] = [f"{base}{path.name}"]
            if path.is_file():
                data = path.read_bytes()
                entry |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    declared.write_text(yaml.safe_dump(entries, sort_keys=False))
