"""Unpacking: what comes out, what is refused before anything is written, and what a killed or full run leaves."""

import errno
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
        ("set/bell\x07", "UTF-8"),
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
def test_a_cut_archive_is_named_and_leaves_no_half_file(
    tmp_path: Path, pack: Any, keep: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SEVEN_ZIP", ())
    whole = pack(MEMBERS)
    archive = put(tmp_path, whole[: int(len(whole) * keep)])
    with pytest.raises(UserError, match="cut off or damaged") as caught:
        unpack(archive, tmp_path / "out")
    assert str(archive) in str(caught.value)
    assert files_below(tmp_path / "out").items() <= FILES.items()
    archive.write_bytes(whole)
    unpack(archive, tmp_path / "out")
    assert files_below(tmp_path / "out") == FILES


# Stored files of these sizes: less than a block, several blocks, and one that a warning taken for data would fill up.
@pytest.mark.parametrize("size", [1000, 300_000, 2 * archives.BLOCK - 20])
@pytest.mark.parametrize("pack", [rar, zip_of])
def test_one_wrong_byte_is_noticed_by_the_checksum(
    tmp_path: Path, pack: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SEVEN_ZIP", ())
    files = {"set/folder/": b"", "set/a": b"a" * 50, "set/.hidden": b"h", "set/b": b"b" * size, "set/c": b"c"}
    data = bytearray(pack(files))
    data[data.find(b"b" * 100) + size - 100] ^= 1
    archive = put(tmp_path, bytes(data))
    said = (
        r"cut off or damaged: entry 'set/b' (does not fit its checksum|cannot be unpacked \(ZIP bad CRC)"  # by release
    )
    with pytest.raises(UserError, match=said) as caught:
        unpack(archive, tmp_path / "out")
    assert str(archive) in str(caught.value)
    assert files_below(tmp_path / "out") == {"set/a": b"a" * 50}
    archive.write_bytes(pack(files))
    unpack(archive, tmp_path / "out")
    assert set(files_below(tmp_path / "out")) == {"set/a", "set/b", "set/c"}


def test_a_cut_archive_says_after_which_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SEVEN_ZIP", ())
    archive = put(tmp_path, rar(MEMBERS)[:20_000])
    with pytest.raises(UserError, match=r"at or after entry 'set/A/two\.avi'") as caught:
        unpack(archive, tmp_path / "out")
    assert "archive_p" not in str(caught.value)
    archive.write_bytes(rar(MEMBERS)[:40])
    with pytest.raises(UserError, match=r"at its beginning \((no reason given|Failed to read full header content)\)"):
        unpack(archive, tmp_path / "out")


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


def test_data_that_cannot_be_decoded_is_named_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SEVEN_ZIP", ())
    archive = put(tmp_path, undecodable_zip())
    with pytest.raises(UserError, match=r"entry 'b' cannot be unpacked .*install 7-Zip") as caught:
        unpack(archive, tmp_path / "out")
    assert str(archive) in str(caught.value)
    assert set(files_below(tmp_path / "out")) == {"a"}


@pytest.mark.usefixtures("other_tool")
def test_data_that_only_7_zip_can_decode_comes_through_7_zip(tmp_path: Path) -> None:
    content = bytes(range(256)) * 2000
    put(tmp_path, zip_of({"a": content, "b": content}), "set.zip")
    unpack(put(tmp_path, undecodable_zip(), "set.zip.odd"), tmp_path / "out")
    assert files_below(tmp_path / "out") == {"a": content, "b": content}


def test_a_damaged_zip_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SEVEN_ZIP", ())
    data = bytearray(zip_of({"a": bytes(range(256)) * 40, "b": b"fine"}))
    data[100] ^= 0xFF
    with pytest.raises(UserError, match="cut off or damaged"):
        unpack(put(tmp_path, bytes(data)), tmp_path / "out")
    assert "a" not in files_below(tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"just text\n" * 100, rar({"folder/": b""})])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SEVEN_ZIP", ())
    with pytest.raises(UserError, match=r"not an archive|holds no file"):
        unpack(put(tmp_path, data), tmp_path / "out")


def test_a_kind_whose_checksums_nobody_compares_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SEVEN_ZIP", ())
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        info = tarfile.TarInfo("set/a")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"text"))
    with pytest.raises(UserError, match="checksums are not compared"):
        unpack(put(tmp_path, target.getvalue()), tmp_path / "out")
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


def test_without_the_library_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libarchive", None)
    with pytest.raises(UserError, match="apt install libarchive13"):
        unpack(put(tmp_path, rar(MEMBERS)), tmp_path / "out")


@pytest.fixture
def other_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for 7-Zip that lists and prints what a zip holds, as `7z l -slt -ba` and `7z x -so` do."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "7z"
    tool.write_text(
        f"#!{sys.executable}\n"
        "import sys, zipfile\n"
        "archive = zipfile.ZipFile(sys.argv[sys.argv.index('--') + 1][: -len('.odd')])\n"
        "if sys.argv[1] == 'l':\n"
        "    for info in archive.infolist():\n"
        "        print(f'Path = {info.filename}\\nSize = {info.file_size}')\n"
        "        mode = 'lrwxrwxrwx' if info.external_attr >> 28 == 0o12 else '-rw-r--r--'\n"
        "        print(f'Attributes = A {mode}')\n"
        "        print(f'CRC = {info.CRC:08X}\\n')\n"
        "else:\n"
        "    everything = b''.join(archive.read(info) for info in archive.infolist())\n"
        "    sys.stdout.buffer.write(everything.replace(b'sound', b'wrong'))\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(archives, "SEVEN_ZIP", ("7z",))
    return tool


@pytest.mark.usefixtures("other_tool")
def test_what_libarchive_cannot_read_goes_to_7_zip_under_the_same_rules(tmp_path: Path) -> None:
    odd = put(tmp_path, b"a kind of archive that libarchive does not know", "set.zip.odd")
    put(tmp_path, zip_of(FILES), "set.zip")
    unpack(odd, tmp_path / "out")
    assert files_below(tmp_path / "out") == FILES
    put(tmp_path, zip_of({**FILES, "../evil": b""}), "set.zip")
    with pytest.raises(UserError, match="leads through other folders"):
        unpack(odd, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    target = io.BytesIO(zip_of(FILES))
    with zipfile.ZipFile(target, "a") as more:
        info = zipfile.ZipInfo("set/link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        more.writestr(info, "/etc/passwd")
    put(tmp_path, target.getvalue(), "set.zip")
    with pytest.raises(UserError, match="entry 'set/link': a link"):
        unpack(odd, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("other_tool")
def test_what_7_zip_prints_is_held_to_its_checksum_and_a_rerun_completes(tmp_path: Path) -> None:
    files = {"a": b"fine", ".hidden": b"x", "b": b"not sound", "empty": b"", "c": b"behind"}
    odd = put(tmp_path, b"a kind of archive that libarchive does not know", "set.zip.odd")
    put(tmp_path, zip_of(files), "set.zip")
    with pytest.raises(UserError, match="entry 'b' does not fit its checksum"):
        unpack(odd, tmp_path / "out")  # the right size, another content
    assert files_below(tmp_path / "out") == {"a": b"fine"}
    put(tmp_path, zip_of({**files, "b": b"quite well"}), "set.zip")
    unpack(odd, tmp_path / "out")
    assert files_below(tmp_path / "out") == {"a": b"fine", "b": b"quite well", "empty": b"", "c": b"behind"}


@pytest.mark.usefixtures("other_tool")
def test_when_neither_can_read_it_both_say_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nor can 7-Zip"):
        unpack(put(tmp_path, b"nothing", "set.zip.odd"), tmp_path / "out")


def test_7_zip_is_given_no_terminal_to_ask_for_a_password(tmp_path: Path, other_tool: Path) -> None:
    """Of an encrypted archive it would wait for one for ever."""
    script = other_tool.read_text()
    other_tool.write_text(script.replace("\narchive = ", "\nassert not sys.stdin.read(1)\narchive = "))
    odd = put(tmp_path, b"a kind of archive that libarchive does not know", "set.zip.odd")
    put(tmp_path, zip_of(FILES), "set.zip")
    reading, writing = os.pipe()
    before = os.dup(0)
    os.write(writing, b"secret")
    os.close(writing)
    try:
        os.dup2(reading, 0)
        unpack(odd, tmp_path / "out")
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)
    assert files_below(tmp_path / "out") == FILES
