"""Declared sources and their downloads.

A `Source` says where a file comes from and what it must be; `fetch` brings it. A file stands under its own
name only after its size and its sha256 were checked, so whoever finds it there may use it. What is declared
is in `reeltrace.data.declared`.
"""

import hashlib
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import requests
import urllib3

from reeltrace.data.disk import writing
from reeltrace.errors import UserError
from reeltrace.machine import variables

log = logging.getLogger(__name__)

CHUNK = 1 << 18
_RETRY_STATUS = {408, 425, 429}
_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)\s*$", re.IGNORECASE)


class UnreachableError(UserError):
    """No declared place gave the file. Another route to the same data may still exist."""


@dataclass(frozen=True)
class Source:
    """One file to download: its name, where it is (in order of preference) and what it must be.

    `bytes` may be None where nobody has published the size; the sha256 may not.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    bytes: int | None
    licence: str
    citation: str

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name:
            raise UserError(f"source name {self.name!r}: expected a plain file name")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise UserError(f"source {self.name}: sha256 must be 64 lower-case hexadecimal digits")
        for url in self.urls:
            if not url.startswith(("https://", "http://")):
                raise UserError(f"source {self.name}: {url!r} is not an http(s) address")


def place() -> Path:
    """Where downloads are kept: the folder that REELTRACE_DOWNLOADS names, else `downloads` in the current folder."""
    return Path(os.environ.get(variables.DOWNLOADS) or "downloads")


@dataclass(frozen=True)
class Fetched:
    """A file that fits its pin. `served` is the address that gave it, or "already there"."""

    path: Path
    served: str


class _PassingError(Exception):
    """This attempt failed in a way that another attempt at the same address may cure."""


class _RefusedError(Exception):
    """This address does not have the file: go to the next one."""


def fetch(
    source: Source,
    folder: Path,
    *,
    progress: bool | None = None,
    timeout: float = 30.0,
    attempts: int = 4,
    backoff: float = 1.0,
) -> Path:
    """`obtain` for callers that only want the path."""
    return obtain(source, folder, progress=progress, timeout=timeout, attempts=attempts, backoff=backoff).path


def obtain(
    source: Source,
    folder: Path,
    *,
    progress: bool | None = None,
    timeout: float = 30.0,
    attempts: int = 4,
    backoff: float = 1.0,
    lock_timeout: float = -1.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Bring `source` to `folder / source.name` and check it; a file that is there and fits is taken as it is.

    The bytes go to `<name>.part`; a broken transfer is resumed from there, in this call (each address gets
    `attempts` attempts, `backoff * 2**k` seconds apart) or in a later one. Size and sha256 are checked before
    the file gets its name by rename. What is wrong is deleted, and the next address is asked. TLS
    certificates are always verified. `timeout` is in seconds, for connecting and for each read. `progress`
    None shows a bar on a terminal only. Two processes that want the same file take turns (`lock_timeout`
    seconds at most; negative: no limit).

    Raises UnreachableError (a UserError) with every address and its reason, and how to place the file by
    hand; UserError when a file under that name does not fit its pin (it is left alone), and when the disk is
    full.
    """
    final = folder / source.name
    with one_at_a_time(final, lock_timeout):
        if final.exists():
            check_in_place(final, "sha256", source.sha256)
            return Fetched(final, "already there")
        part = folder / f"{source.name}.part"
        reasons: list[str] = []
        with requests.Session() as session, _bar(source, progress) as advance:
            for number, url in enumerate(source.urls, start=1):
                try:
                    _download(source, url, part, session, advance, timeout, attempts, backoff, sleep)
                except _RefusedError as refusal:
                    reasons.append(f"{url}: {refusal}")
                    then = "; asking the next address" if number < len(source.urls) else ""
                    log.warning("%s from %s: %s%s", source.name, url, refusal, then)
                else:
                    land(part, final)
                    return Fetched(final, url)
        tried = "; ".join(reasons) if reasons else "no address is declared"
        raise UnreachableError(
            f"{source.name} could not be downloaded ({tried}); place the file by hand at {final} "
            f"(sha256 {source.sha256}{f', {source.bytes:,} bytes' if source.bytes is not None else ''})"
        )


def check_in_place(path: Path, algorithm: str, expected: str) -> None:
    """Accept the file that is at `path`, or raise UserError and leave it untouched."""
    found = _digest(path, algorithm) if path.is_file() else "not a file"
    if found != expected:
        raise UserError(
            f"{path}: this is not the declared file: {algorithm} is {found}, expected {expected}; "
            "it was left as it is: move it away or replace it"
        )


def land(part: Path, final: Path) -> None:
    """Give a checked file its name: to disk first, then one rename, then the folder's entry to disk."""
    with writing(part, part.stat().st_size), part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(final)
    if os.name == "posix":
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def one_at_a_time(final: Path, lock_timeout: float) -> Iterator[None]:
    """Hold the lock beside `final`; make the folder first."""
    path = final.parent / f".{final.name}.lock"
    with writing(path, None):
        final.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            log.info("%s: waiting for another process that is downloading it", final.name)
            try:
                lock.acquire(timeout=lock_timeout)
            except filelock.Timeout as error:
                raise UserError(
                    f"{final}: another process has been downloading it for {lock_timeout:g} s; wait for it, or end it"
                ) from error
    try:
        yield
    finally:
        lock.release()


def _download(
    source: Source,
    url: str,
    part: Path,
    session: requests.Session,
    advance: Callable[[int], None],
    timeout: float,
    attempts: int,
    backoff: float,
    sleep: Callable[[float], None],
) -> None:
    """Fill `part` from one address until it fits the pin, or raise _RefusedError."""
    # Bytes that another address or an earlier call left behind may be what is wrong when the hash does not
    # fit: only a file that came from this address alone speaks against this address.
    inherited = part.exists()
    reason = ""
    for attempt in range(attempts):
        if attempt:
            sleep(backoff * 2 ** (attempt - 1))
        try:
            inherited = _transfer(source, url, part, session, advance, timeout) and inherited
            misfit = _misfit(source, part)
            if misfit is not None and inherited:
                part.unlink()
                inherited = False
                _transfer(source, url, part, session, advance, timeout)
                misfit = _misfit(source, part)
        except _PassingError as failure:
            inherited = inherited and part.exists()
            reason = str(failure)
            continue
        if misfit is None:
            return
        part.unlink()
        raise _RefusedError(misfit)
    raise _RefusedError(f"{reason}, after {attempts} attempt{'s' if attempts != 1 else ''}")


def _transfer(
    source: Source,
    url: str,
    part: Path,
    session: requests.Session,
    advance: Callable[[int], None],
    timeout: float,
) -> bool:
    """One request. True: `part` was continued (or was complete already); False: it was begun anew.

    Raises _PassingError for what may pass (a broken connection, a busy server), _RefusedError otherwise.
    """
    have = part.stat().st_size if part.exists() else 0
    if source.bytes is not None:
        if have > source.bytes:
            part.unlink()
            have = 0
        elif have == source.bytes and have:
            return True
    # identity: a server that compresses on the way would make ranges and sizes meaningless
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
            if url.startswith("https://") and not response.url.startswith("https://"):
                raise _RefusedError("redirects from https to an unprotected address")
            append, total = _judge(source, response, part, have)
            if append is None:
                return True
            _check_room(part, have if append else 0, total)
            start = have if append else 0
            advance(start)
            with writing(part, source.bytes if source.bytes is not None else total):
                got = _save(source, response.raw, part, start, advance)
    except requests.exceptions.SSLError as error:
        raise _RefusedError(f"TLS certificate not accepted ({innermost(error)})") from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _PassingError(innermost(error)) from error
    expected = source.bytes if source.bytes is not None else total
    if expected is not None and got < expected:
        raise _PassingError(f"the connection ended after {got:,} of {expected:,} bytes")
    return append


def may_pass(status: int) -> bool:
    """Whether a server that answers so may answer otherwise a little later."""
    return status in _RETRY_STATUS or status >= 500


def _judge(source: Source, response: requests.Response, part: Path, have: int) -> tuple[bool | None, int | None]:
    """Read status and headers: (continue `part`?, size of the whole file). None for "`part` is whole
    already".
    """
    status = response.status_code
    if status == 416 and have:
        match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if match and match[3] == str(have):
            return None, have
        part.unlink()
        raise _PassingError("the partial file does not fit what the server has")
    if may_pass(status):
        raise _PassingError(f"HTTP {status} {response.reason}")
    if status not in (200, 206):
        raise _RefusedError(f"HTTP {status} {response.reason}")
    if status == 206:
        match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if not have or match is None or match[1] != str(have):
            part.unlink(missing_ok=True)
            raise _PassingError("the server sent another range than was asked for")
        total = None if match[3] == "*" else int(match[3])
    else:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
    if source.bytes is not None and total is not None and total != source.bytes:
        part.unlink(missing_ok=True)
        raise _RefusedError(f"the file there has {total:,} bytes, expected {source.bytes:,}")
    return status == 206, total


def _save(
    source: Source,
    raw: urllib3.response.BaseHTTPResponse,
    part: Path,
    start: int,
    advance: Callable[[int], None],
) -> int:
    """Write the body to `part` from offset `start` on; the size of `part` afterwards."""
    got = start
    with part.open("ab" if start else "wb") as file:
        # Undecoded: some servers label a .gz file as a compressed transfer of what is in it.
        for chunk in raw.stream(CHUNK, decode_content=False):
            if source.bytes is not None and got + len(chunk) > source.bytes:
                file.close()
                part.unlink()
                raise _RefusedError(f"sends more than the expected {source.bytes:,} bytes")
            file.write(chunk)
            got += len(chunk)
            advance(got)
    return got


def _check_room(part: Path, have: int, total: int | None) -> None:
    """Refuse to begin what cannot fit on the disk."""
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - have > free:
        raise UserError(
            f"{part}: the disk is full: {total - have:,} more bytes are needed, {free:,} are free; "
            "free some space, then run the same command again"
        )


def _misfit(source: Source, part: Path) -> str | None:
    """Why a finished transfer is not the declared file, or None. Its size was held to while it came in."""
    found = _digest(part, "sha256")
    return None if found == source.sha256 else f"sha256 is {found}, expected {source.sha256}"


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def innermost(error: BaseException) -> str:
    """The innermost reason on one line: libraries wrap errors in errors in errors."""
    inner: BaseException = error
    while True:
        deeper = getattr(inner, "reason", None) or next((a for a in inner.args if isinstance(a, Exception)), None)
        if not isinstance(deeper, BaseException) or deeper is inner:
            break
        inner = deeper
    text = " ".join(str(inner).split()) or type(inner).__name__
    # urllib3 puts the repr of a connection object first
    return re.sub(r"^<[^>]*>:\s*|^\w+\(host=[^)]*\):\s*", "", text)


@contextmanager
def _bar(source: Source, progress: bool | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal: call the result with the number of bytes that are there."""
    if not (sys.stderr.isatty() if progress is None else progress):
        yield lambda got: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as display:
        task = display.add_task(source.name, total=source.bytes)
        yield lambda got: display.update(task, completed=got)
