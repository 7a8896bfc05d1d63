"""Unpacking archives without trusting them: zip and RAR through libarchive, or through 7-Zip where that cannot.

An archive's names are all looked at before the first byte is written, so an archive that wants to leave its folder
leaves nothing at all. Every file lands by a rename once its checksum was compared, so what stands under its own name is
whole, and a run that was killed unpacks only what is missing.
"""

import contextlib
import ctypes
import logging
import shutil
import stat
import struct
import subprocess
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from reeltrace.data.disk import writing
from reeltrace.errors import UserError

log = logging.getLogger(__name__)

LONGEST_NAME = 255  # bytes of one part of a path, on the file systems in use
BLOCK = 1 << 18
PART = ".unpacking"  # the file that is being written, in the target folder; one is ever there
SEVEN_ZIP = ("7zz", "7z", "7za")


@dataclass(frozen=True)
class Member:
    """One file of an archive: its path inside, with slashes, its size in bytes, its CRC-32 where that is known."""

    path: PurePosixPath
    size: int
    crc: int | None = None


class UnreadableError(UserError):
    """The archive cannot be read: cut off, damaged, or of a kind that the tool at hand does not know."""


Place = Callable[[PurePosixPath], PurePosixPath]


def unpack(
    archive: Path,
    target: Path,
    progress: Callable[[int, int], None] | None = None,
    place: Place = lambda path: path,
) -> list[PurePosixPath]:
    """Unpack `archive` below `target`; the paths of its files, sorted. Hidden files (a dot first) are left out.

    `place` tells where a file of the archive goes below `target`; by default to its own path. A file that is there with
    the right size is not written again: it landed whole. `progress` is called with the bytes done and all bytes.

    Raises UserError for a name that leads out of the folder, a link, a pipe, a device, a name that comes twice (nothing
    is written then), for an archive that is damaged or cut off (files before the damage are whole, none is half there),
    for a link that stands in the target where a folder goes, for a full disk, and where no tool can read the archive.
    """
    try:
        return _unpack(archive, target, _members(archive), progress, place, _read_members)
    except UnreadableError as first:
        tool = next((found for name in SEVEN_ZIP if (found := shutil.which(name))), None)
        if tool is None:
            raise UserError(
                f"{first}; if the file is as declared, libarchive here may be too old for it: install 7-Zip with RAR "
                "support (7z) and run the same command again"
            ) from first
        log.info("%s: libarchive cannot read it, trying %s", archive.name, Path(tool).name)
        try:
            listed = _list_with(tool, archive)
            members = [member for member in listed if not _hidden(member.path)]
            return _unpack(archive, target, members, progress, place, _reader_with(tool, listed))
        except UnreadableError as second:
            raise UserError(f"{first}; nor can 7-Zip ({second}); bring the file again") from second


def safe_path(archive: Path, name: str) -> PurePosixPath:
    """The path of an entry below the target folder. Raises UserError for one that could lead anywhere else."""
    text = name.rstrip("/")
    parts = text.split("/")
    reason = None
    if not text or "\\" in text or (len(text) > 1 and text[1] == ":") or text.startswith("/"):
        reason = "an absolute name, or one of another system"
    elif any(part in ("", ".", "..") for part in parts):
        reason = "a name that leads through other folders"
    elif any(unicodedata.category(character).startswith("C") for character in text):
        reason = "a name with characters that cannot be shown"
    elif any(len(part.encode("utf-8", "surrogateescape")) > LONGEST_NAME for part in parts):
        reason = f"a name of more than {LONGEST_NAME} bytes"
    if reason:
        raise UserError(f"{archive}: entry {name!r}: {reason}; nothing was unpacked, do not use this archive")
    return PurePosixPath(text)


def _hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") for part in path.parts)


Read = Callable[[Path, dict[PurePosixPath, int]], Iterator[tuple[PurePosixPath, Iterator[bytes]]]]


def _unpack(
    archive: Path,
    target: Path,
    members: list[Member],
    progress: Callable[[int, int], None] | None,
    place: Place,
    read: Read,
) -> list[PurePosixPath]:
    places = {member.path: safe_path(archive, str(place(member.path))) for member in members}
    sizes = {places[member.path]: member.size for member in members}
    if len(sizes) < len(places):
        raise UserError(f"{archive}: two entries would become one file; nothing was unpacked, do not use this archive")
    folders = {parent for path in sizes for parent in path.parents}
    _check_folders(archive, target, folders)
    for path in sizes:
        if path in folders:
            raise UserError(
                f"{archive}: entry {str(path)!r}: a file and a folder of one name; nothing was unpacked, do not use "
                "this archive"
            )
    left = {m.path: m.size for m in members if not _landed(target / places[m.path], m.size)}
    total, done = sum(sizes.values()), sum(sizes.values()) - sum(left.values())
    for path, blocks in read(archive, dict(left)):
        done += _save(archive, target, places[path], blocks, left.pop(path))
        if progress is not None:
            progress(done, total)
    if left:
        raise UnreadableError(f"{archive}: entry {str(min(left))!r} is announced but not there")
    return sorted(sizes)


def _check_folders(archive: Path, target: Path, folders: set[PurePosixPath]) -> None:
    """Refuse to write through a link: it may lead anywhere. The target itself may be one, for the user chose it."""
    for folder in sorted(folders):
        if folder.parts and (target / folder).is_symlink():
            raise UserError(
                f"{target / folder}: a link stands where {archive.name} has a folder; nothing was unpacked: remove the "
                "link and run the same command again"
            )


def _landed(path: Path, size: int) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == size


def _save(archive: Path, target: Path, path: PurePosixPath, blocks: Iterator[bytes], size: int) -> int:
    final = target / path
    part = target / PART
    written = 0
    try:
        with writing(part, size):
            final.parent.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)  # a killed run's, or a link to somewhere else: never written to, always anew
            with part.open("xb") as file:
                for block in blocks:
                    written += file.write(block)
                    if written > size:
                        break
        if written != size:
            raise UnreadableError(
                f"{archive}: cut off or damaged: entry {str(path)!r} is not the {size:,} bytes that were announced"
            )
        with writing(final, size):
            part.replace(final)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return size


# --- libarchive ---


def _libarchive() -> Any:
    try:
        import libarchive
    except (ImportError, AttributeError, OSError, TypeError) as error:  # what a missing shared library looks like
        raise UserError(
            "archives are read by the system library libarchive, which is not here; install it (Debian: apt install "
            "libarchive13, conda: libarchive) and run the same command again"
        ) from error
    return libarchive


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[Any]:
    """The archive's entries, one after the other. Whatever the library complains about is an UnreadableError."""
    library = _libarchive()
    if not archive.is_file():
        raise UserError(f"{archive}: no such file; bring the archive first")
    last: list[str] = []

    def noted(entries: Any) -> Iterator[Any]:
        for entry in entries:
            last[:] = [str(entry.pathname)]
            yield entry

    try:
        with library.file_reader(str(archive), block_size=BLOCK) as entries:
            yield noted(entries)
    except library.ArchiveError as error:
        where = f"at or after entry {last[0]!r}" if last else "at its beginning"
        raise UnreadableError(
            f"{archive}: cut off or damaged, or not an archive, {where} ({_reason(error)})"
        ) from error


def _reason(error: Any) -> str:
    return " ".join(str(error.msg or "no reason given").split())


def _members(archive: Path) -> list[Member]:
    """The files of an archive, every name looked at. Folders are not listed: files make theirs."""
    found: dict[PurePosixPath, Member] = {}
    special = _special_in_zip(archive)
    with _opened(archive) as entries:
        for entry in entries:
            name = entry.pathname
            if not isinstance(name, str) or not name.isprintable():
                raise UserError(
                    f"{archive}: entry {name!r}: not a name in UTF-8; nothing was unpacked, do not use this archive"
                )
            path = safe_path(archive, name)
            if entry.isdir:
                continue
            if not entry.isreg or name in special:
                raise UserError(
                    f"{archive}: entry {name!r}: a link, a pipe or a device; nothing was unpacked, do not use this "
                    "archive"
                )
            if _hidden(path):
                continue
            if path in found:
                raise UserError(f"{archive}: entry {name!r} comes twice; nothing was unpacked, do not use this archive")
            if entry.size is None:  # RAR 5 may store a file as a reference to another one
                raise UnreadableError(f"{archive}: entry {name!r} has no size of its own")
            found[path] = Member(path, int(entry.size))
    if not found:
        raise UnreadableError(f"{archive}: holds no file: cut off or damaged, or an empty archive")
    return list(found.values())


def _special_in_zip(archive: Path) -> set[str]:
    """Entries of a zip that its directory calls something else than a file or a folder. libarchive takes pipes for
    empty files."""
    if not archive.is_file() or not zipfile.is_zipfile(archive):
        return set()
    try:
        with zipfile.ZipFile(archive) as directory:
            kinds = {info.filename: stat.S_IFMT(info.external_attr >> 16) for info in directory.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return set()  # libarchive says what is wrong with it
    return {name for name, kind in kinds.items() if kind not in (0, stat.S_IFREG, stat.S_IFDIR)}


def _read_members(archive: Path, wanted: dict[PurePosixPath, int]) -> Iterator[tuple[PurePosixPath, Iterator[bytes]]]:
    if not wanted:
        return
    sums = _rar4_checksums(archive)
    with _opened(archive) as entries:
        for number, entry in enumerate(entries):
            path = PurePosixPath(entry.pathname.rstrip("/"))
            if path not in wanted or not entry.isreg:
                continue
            blocks = _blocks(archive, path, entry)
            if sums is not None:
                size, crc = sums[number] if number < len(sums) else (-1, 0)
                if size != wanted[path]:
                    raise UnreadableError(f"{archive}: entry {str(path)!r}: its header cannot be made out")
                blocks = _checked(archive, path, blocks, crc)
            yield path, blocks


def _blocks(archive: Path, path: PurePosixPath, entry: Any) -> Iterator[bytes]:
    """The content of an entry; what the library complains about on the way is an UnreadableError here, too.

    The wrapper's own `get_blocks` takes a warning (a wrong checksum in a zip) for data.
    """
    library, buffer = _libarchive(), ctypes.create_string_buffer(BLOCK)
    while True:
        try:
            got = library.ffi.read_data(entry._archive_p, buffer, BLOCK)
        except library.ArchiveError as error:  # raised where the blocks are used, not where the archive is opened
            raise UnreadableError(
                f"{archive}: cut off or damaged: entry {str(path)!r} cannot be unpacked ({_reason(error)})"
            ) from error
        if got < 0:
            raise UnreadableError(f"{archive}: cut off or damaged: entry {str(path)!r} does not fit its checksum")
        if not got:
            return
        yield ctypes.string_at(buffer, got)


def _checked(archive: Path, path: PurePosixPath, blocks: Iterator[bytes], expected: int) -> Iterator[bytes]:
    """The same blocks; an UnreadableError after the last when their CRC-32 is not `expected`."""
    found = 0
    for block in blocks:
        found = zlib.crc32(block, found)
        yield block
    if found != expected:
        raise UnreadableError(f"{archive}: cut off or damaged: entry {str(path)!r} does not fit its checksum")


RAR4, ZIP = b"Rar!\x1a\x07\x00", b"PK"  # how they begin
_RAR4_FILE, _RAR4_SERVICE, _RAR4_END = 0x74, 0x7A, 0x7B
_RAR4_LARGE, _RAR4_DATA = 0x100, 0x8000  # flags: sizes of 64 bits; data follows the header


def _rar4_checksums(archive: Path) -> list[tuple[int, int]] | None:
    """Unpacked size and CRC-32 of each entry of a RAR 4 archive, in order; None for a zip.

    libarchive (3.6) compares the sums of a zip, and never those of a RAR: it stops at the announced size. Headers that
    cannot be read end the list. Raises UnreadableError for other kinds, RAR 5 too: nobody would compare their sums.
    """
    found = []
    with archive.open("rb") as file:
        start = file.read(len(RAR4))
        if start.startswith(ZIP):
            return None
        if start != RAR4:
            raise UnreadableError(f"{archive}: neither a zip nor a RAR 4 archive: its checksums are not compared here")
        while len(head := file.read(7)) == 7:
            kind, flags, size = struct.unpack("<2xBHH", head)
            if kind == _RAR4_END or size < 7:
                break
            body = file.read(size - 7)
            packed = 0
            if kind in (_RAR4_FILE, _RAR4_SERVICE):
                if len(body) < 25 + 8 * bool(flags & _RAR4_LARGE):
                    break
                packed, unpacked, crc = struct.unpack_from("<IIxI", body)
                if flags & _RAR4_LARGE:
                    more_packed, more_unpacked = struct.unpack_from("<II", body, 25)
                    packed, unpacked = packed | more_packed << 32, unpacked | more_unpacked << 32
                if kind == _RAR4_FILE:
                    found.append((unpacked, crc))
            elif flags & _RAR4_DATA and len(body) >= 4:
                (packed,) = struct.unpack_from("<I", body)
            file.seek(packed, 1)
    return found


# --- 7-Zip ---


def _run(tool: str, archive: Path, *arguments: str) -> str:
    done = subprocess.run(
        [tool, *arguments],
        stdin=subprocess.DEVNULL,  # of an encrypted archive it would ask for a password
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line.upper()]
        raise UnreadableError(f"{archive}: {lines[0] if lines else f'exit status {done.returncode}'}")
    return done.stdout


def _list_with(tool: str, archive: Path) -> list[Member]:
    """The files of an archive in its order, every name looked at; hidden ones, too, for they are in what it prints."""
    found: dict[PurePosixPath, Member] = {}
    for block in _run(tool, archive, "l", "-slt", "-ba", "--", str(archive)).split("\n\n"):
        facts = dict(line.split(" = ", 1) for line in block.splitlines() if " = " in line)
        if "Path" not in facts:
            continue
        path = safe_path(archive, facts["Path"])
        if facts.get("Folder") == "+" or facts.get("Attributes", "").startswith("D"):
            continue
        # the mode as `ls -l` shows it tells of a link where 7-Zip has no line of its own for it
        mode = facts.get("Attributes", "").split()[-1:]
        link = (
            facts.get("Symbolic Link") or facts.get("Hard Link") or any(len(m) == 10 and m[0] not in "-0" for m in mode)
        )
        if link or path in found:
            raise UserError(
                f"{archive}: entry {str(path)!r}: a link, or a name that comes twice; nothing was unpacked, do not use "
                "this archive"
            )
        try:
            size = int(facts["Size"])
            crc = int(facts["CRC"], 16) if size else 0
        except (KeyError, ValueError):
            raise UnreadableError(f"{archive}: entry {str(path)!r} is listed without size or checksum") from None
        found[path] = Member(path, size, crc)
    if all(_hidden(path) for path in found):
        raise UnreadableError(f"{archive}: holds no file: cut off or damaged, or an empty archive")
    return list(found.values())


def _reader_with(tool: str, listed: list[Member]) -> Read:
    def read(archive: Path, wanted: dict[PurePosixPath, int]) -> Iterator[tuple[PurePosixPath, Iterator[bytes]]]:
        # To standard output, all files one after the other: 7-Zip never gets to choose a place on the disk, and a solid
        # archive is decoded once. The listed sizes tell where one file ends, the listed checksums that it is that file.
        if not wanted:
            return
        command = [tool, "x", "-so", "--", str(archive)]
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints) as process,
        ):
            assert process.stdout is not None
            try:
                for member in listed:
                    blocks = _take(process.stdout, member.size)
                    if member.path in wanted:
                        assert member.crc is not None
                        yield member.path, _checked(archive, member.path, blocks, member.crc)
                    else:
                        for _ in blocks:
                            pass
                rest = process.stdout.read(1)
            except BaseException:
                process.kill()
                raise
            process.wait()
            if process.returncode != 0 or rest:
                complaints.seek(0)
                reason = " ".join(complaints.read().decode(errors="replace").split())[:200]
                raise UnreadableError(f"{archive}: cannot be unpacked ({reason or 'more comes out than is listed'})")

    return read


def _take(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The next `size` bytes of a stream, or what there is."""
    while size and (block := stream.read(min(BLOCK, size))):
        size -= len(block)
        yield block
