"""Downloads against a server that drops, ignores, lies and grows: nothing wrong gets the final name."""

import errno
import hashlib
import io
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reeltrace.data import downloads
from reeltrace.data.downloads import Source, UnreachableError, fetch, obtain
from reeltrace.errors import UserError

BODY = bytes(range(256)) * 4000  # about 1 MB: several chunks
NAME = "digits.bin"


def source(*urls: str, body: bytes = BODY, size: int | None = len(BODY)) -> Source:
    return Source(NAME, urls, hashlib.sha256(body).hexdigest(), size, "none", "nobody")


def get(what: Source, folder: Path, **options: Any) -> downloads.Fetched:
    waits: list[float] = []
    return obtain(what, folder, **{"progress": False, "timeout": 5, "sleep": waits.append, **options})


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_downloads_and_then_needs_no_network(server, answer, tmp_path):
    server.script["/a"] = [answer(BODY)]
    what = source(server.url("/a"))
    assert get(what, tmp_path / "new").served == server.url("/a")
    assert (tmp_path / "new" / NAME).read_bytes() == BODY
    assert left_in(tmp_path / "new") == {NAME}
    assert get(what, tmp_path / "new").served == "already there"
    assert fetch(what, tmp_path / "new") == tmp_path / "new" / NAME
    assert len(server.asked) == 1


@pytest.mark.parametrize("size", [len(BODY), None])
def test_resumes_where_the_connection_dropped(server, answer, tmp_path, size):
    server.script["/a"] = [answer(BODY, cut=400_000), answer(BODY, cut=300_000), answer(BODY)]
    waits: list[float] = []
    get(source(server.url("/a"), size=size), tmp_path, sleep=waits.append, backoff=0.5)
    assert (tmp_path / NAME).read_bytes() == BODY
    ranges = [asked for _, asked in server.asked]
    assert ranges[0] is None
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in ranges[1:]]
    assert 0 < starts[0] <= 400_000 < starts[1] <= 700_000
    assert waits == [0.5, 1.0]  # exponential back-off


def test_resumes_what_an_earlier_call_left(server, answer, tmp_path):
    server.script["/a"] = [answer(BODY)]
    (tmp_path / f"{NAME}.part").write_bytes(BODY[:1000])
    get(source(server.url("/a")), tmp_path)
    assert server.asked == [("/a", "bytes=1000-")]
    assert (tmp_path / NAME).read_bytes() == BODY


@pytest.mark.parametrize("size", [len(BODY), None])
def test_whole_part_is_used_only_after_its_hash_was_checked(server, answer, tmp_path, size):
    server.script["/a"] = [answer(BODY)]
    part = tmp_path / f"{NAME}.part"
    part.write_bytes(BODY)
    get(source(server.url("/a"), size=size), tmp_path)
    assert [asked for _, asked in server.asked] == ([] if size else [f"bytes={len(BODY)}-"])
    (tmp_path / NAME).unlink()
    server.asked.clear()
    part.write_bytes(b"x" * len(BODY))
    get(source(server.url("/a"), size=size), tmp_path, attempts=1)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert server.asked[-1] == ("/a", None)


@pytest.mark.parametrize("stale", [b"x" * 5000, b"x" * (len(BODY) + 1)])
def test_stale_part_is_begun_anew(server, answer, tmp_path, stale):
    server.script["/a"] = [answer(BODY)]
    (tmp_path / f"{NAME}.part").write_bytes(stale)
    get(source(server.url("/a")), tmp_path, attempts=1)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert server.asked[-1] == ("/a", None)


def test_oversized_part_of_unknown_size_is_begun_anew(server, answer, tmp_path):
    server.script["/a"] = [answer(BODY)]
    (tmp_path / f"{NAME}.part").write_bytes(BODY + b"more")
    get(source(server.url("/a"), size=None), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY


def test_server_that_ignores_ranges(server, answer, tmp_path):
    server.script["/a"] = [answer(BODY, cut=400_000, ranges=False), answer(BODY, ranges=False)]
    get(source(server.url("/a")), tmp_path)
    assert server.asked[1][1] is not None
    assert (tmp_path / NAME).read_bytes() == BODY


def test_server_that_sends_another_range(server, answer, tmp_path):
    server.script["/a"] = [answer(BODY, cut=400_000), answer(BODY, wrong_range=True)]
    get(source(server.url("/a")), tmp_path)
    assert [asked is None for _, asked in server.asked] == [True, False, True]
    assert (tmp_path / NAME).read_bytes() == BODY


def test_busy_server_is_asked_again_and_a_missing_file_is_not(server, answer, tmp_path):
    server.script["/a"] = [answer(status=404)]
    server.script["/b"] = [answer(status=503), answer(status=429), answer(BODY)]
    assert get(source(server.url("/a"), server.url("/b")), tmp_path).served == server.url("/b")
    assert [path for path, _ in server.asked] == ["/a", "/b", "/b", "/b"]


def test_gzip_label_on_the_transfer_does_not_unpack_the_file(server, answer, tmp_path):
    server.script["/a"] = [answer(BODY, headers={"Content-Encoding": "gzip"})]
    get(source(server.url("/a")), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY


WRONG = {
    "altered": {"body": b"y" + BODY[1:]},
    "truncated": {"body": BODY[:-1]},
    "truncated, size unknown": {"body": BODY[:-1], "length": False},
    "grown": {"body": BODY + b"!"},
    "grown, size unknown": {"body": BODY + b"!", "length": False},
    "empty": {"body": b""},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("size", [len(BODY), None])
def test_wrong_file_is_never_used_and_the_next_address_is_asked(server, answer, tmp_path, wrong, size):
    server.script["/a"] = [answer(**wrong)]
    server.script["/b"] = [answer(BODY)]
    assert get(source(server.url("/a"), server.url("/b"), size=size), tmp_path).served == server.url("/b")
    assert (tmp_path / NAME).read_bytes() == BODY
    assert left_in(tmp_path) == {NAME}


@pytest.mark.parametrize("wrong", [name for name in WRONG if name != "truncated, size unknown"])
def test_wrong_file_is_not_left_in_place(server, answer, tmp_path, wrong):
    server.script["/a"] = [answer(**WRONG[wrong])]
    with pytest.raises(UnreachableError, match=r"expected"):
        get(source(server.url("/a")), tmp_path)
    assert left_in(tmp_path) == set()
    assert len(server.asked) == 1  # asking the same address again would bring the same file


def test_what_does_not_end_is_cut_off(server, answer, tmp_path):
    server.script["/a"] = [answer(BODY + bytes(20_000_000), length=False)]
    with pytest.raises(UnreachableError, match=rf"sends more than the expected {len(BODY):,} bytes"):
        get(source(server.url("/a")), tmp_path)
    assert left_in(tmp_path) == set()


def test_unreachable_says_what_was_tried_and_how_to_place_the_file(server, answer, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/a"
        what = source(dead, server.url("/gone"))
        with pytest.raises(UserError) as caught:
            get(what, tmp_path, attempts=2)
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        dead,
        "refused",
        "after 2 attempts",
        server.url("/gone"),
        "404",
        str(tmp_path / NAME),
        what.sha256,
    ):
        assert part in message
    assert left_in(tmp_path) == set()


def test_stalled_server_is_a_passing_failure(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(UnreachableError, match=r"timed out.*after 2 attempts"):
            get(source(url), tmp_path, attempts=2, timeout=0.2)


def test_file_placed_by_hand(tmp_path):
    (tmp_path / NAME).write_bytes(BODY)
    assert get(source(), tmp_path).served == "already there"
    (tmp_path / NAME).write_bytes(b"something else")
    with pytest.raises(UserError, match=r"not the declared file") as caught:
        get(source(), tmp_path)
    assert str(tmp_path / NAME) in str(caught.value)
    assert (tmp_path / NAME).read_bytes() == b"something else"


def test_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(UserError, match="not a file"):
        get(source(), tmp_path)
    assert (tmp_path / NAME).is_dir()


class FullFile:
    """A file on a disk that fills up after 300,000 bytes."""

    def __init__(self, file: Any) -> None:
        self.file, self.room = file, 300_000

    def __enter__(self) -> "FullFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        if len(data) > self.room:
            self.file.write(data[: self.room])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(data)
        self.file.write(data)


def test_full_disk_while_writing(server, answer, tmp_path, monkeypatch):
    server.script["/a"] = [answer(BODY)]
    real = Path.open

    def full(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = real(self, mode, *args, **kwargs)
        return FullFile(file) if self.suffix == ".part" and mode in ("wb", "ab") else file

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(UserError) as caught:
        get(source(server.url("/a")), tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert "disk is full" in message
    assert NAME in message
    assert f"{len(BODY):,} bytes" in message
    assert left_in(tmp_path) == set()


def test_full_disk_is_seen_before_the_download(server, answer, tmp_path, monkeypatch):
    server.script["/a"] = [answer(BODY)]
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=rf"disk is full: {len(BODY):,} more bytes are needed, 1,000 are free"):
        get(source(server.url("/a")), tmp_path)
    assert left_in(tmp_path) == set()


def test_folder_that_cannot_be_written(server, answer, tmp_path, monkeypatch):
    server.script["/a"] = [answer(BODY)]
    real = Path.open

    def forbidden(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if self.suffix == ".part":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return real(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(UserError, match="cannot write here"):
        get(source(server.url("/a")), tmp_path)


def test_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write here"):
        get(source(), tmp_path / "file")


HOLD = """
import sys, filelock
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_take_turns(server, answer, tmp_path):
    server.script["/a"] = [answer(BODY)]
    command = [sys.executable, "-c", HOLD, str(tmp_path / f".{NAME}.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another process"):
            get(source(server.url("/a")), tmp_path, lock_timeout=0.1)
        assert server.asked == []
        other.stdin.close()  # now it lets go
        get(source(server.url("/a")), tmp_path, lock_timeout=20)
    assert (tmp_path / NAME).read_bytes() == BODY


def test_certificates_are_verified_and_a_bad_one_is_refused(tmp_path, monkeypatch):
    seen: list[object] = []

    def send(self: Any, request: Any, **options: Any) -> Any:
        seen.append(options["verify"])
        raise downloads.requests.exceptions.SSLError("certificate verify failed")

    monkeypatch.setattr(downloads.requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(UnreachableError, match="TLS certificate not accepted"):
        get(source("https://digits.invalid/a"), tmp_path)
    assert len(seen) == 1
    assert seen[0] is not False


def test_redirect_away_from_tls_is_refused(tmp_path, monkeypatch):
    def send(self: Any, request: Any, **options: Any) -> Any:
        response = downloads.requests.Response()
        response.status_code, response.url, response.request = 200, "http://digits.invalid/a", request
        response.raw = downloads.urllib3.HTTPResponse(io.BytesIO(BODY), preload_content=False)
        return response

    monkeypatch.setattr(downloads.requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(UnreachableError, match="redirects from https"):
        get(source("https://digits.invalid/a"), tmp_path)
    assert left_in(tmp_path) == set()
    assert get(source("http://digits.invalid/a"), tmp_path).path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../x"),
        ("name", ""),
        ("sha256", "abc"),
        ("urls", ("ftp://x/y",)),
        ("urls", ("file:///etc/x",)),
    ],
)
def test_impossible_sources_are_refused(field, value):
    good = {"name": NAME, "urls": (), "sha256": "0" * 64, "bytes": 1, "licence": "", "citation": ""}
    with pytest.raises(UserError):
        Source(**{**good, field: value})


def test_progress_bar_is_for_terminals_only(server, answer, tmp_path, capsys):
    server.script["/a"] = [answer(BODY)]
    get(source(server.url("/a")), tmp_path / "quiet", progress=None)
    assert capsys.readouterr() == ("", "")
    get(source(server.url("/a")), tmp_path / "loud", progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert NAME in shown.err
