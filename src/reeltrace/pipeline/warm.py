"""One process that has imported torch, for all the leaf commands of a run of Snakemake: each is a fork of it.

Importing torch takes a second or two of a processor, and a run starts about a hundred stages. Snakemake's main process
starts the server (`start`); a leaf command that finds it asks it for a fork in which the command goes on (`hand_over`).
The fork has the working folder, the environment, the standard streams and the fate of the leaf command: it ends when
that one is killed. Only torch is imported beforehand, nothing of ours, so that an edit of the code is seen by the next
leaf. Where there is no server (DVC, a cluster, another environment, a command by hand) the leaf does the work itself.

The server ends with the process that started it. Linux only, as is the rest of what is done here with processes.
"""

import array
import atexit
import contextlib
import ctypes
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = "REELTRACE_WARM"  # JSON: the socket, and the environment of Python that the server has
STAGES = ("train", "pretrain", "features", "measure")  # what imports torch; the others start as fast by themselves
PRELOADED = ("torch", "numpy")
READ_ONCE = ("PYTHON", "LD_", "ATEN_", "ONEDNN_", "DNNL_", "MKL_CBWR", "TORCH", "PYTORCH_")  # of the environment
LIMIT = 2**20  # bytes of a request
PATIENCE = 60.0  # seconds until a request is taken up: the first ones wait for the import of torch
TAKEN = b"+"
LAUNCHER = "REELTRACE_LAUNCHER"  # the process of workflow/reeltrace, whose fate this one shares
PR_SET_PDEATHSIG = 1


_server: "subprocess.Popen[bytes] | None" = None  # held, or its standard input would be closed


def start() -> bool:
    """Start a server for the leaf commands that this process starts, unless it has one; whether it has one now."""
    global _server
    if _server is not None and _server.poll() is None:
        return True
    if sys.platform != "linux":
        return False
    try:
        folder = tempfile.mkdtemp(prefix="reeltrace-")  # mode 0700: nobody else may ask; the server removes it
        path = str(Path(folder) / "socket")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # should the server be killed
        command = [sys.executable, "-P", "-m", "reeltrace.pipeline.warm", path]  # what lies in this folder is no module
        # What goes wrong in the server says the leaf, which then does the work itself.
        _server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        return False
    os.environ[VARIABLE] = json.dumps({"socket": path, "python": _python()})
    return True


def _python() -> str:
    """What must be the same on both sides of the socket: the interpreter, its packages, what libraries read once."""
    read_once = {name: value for name, value in os.environ.items() if name.startswith(READ_ONCE)}
    return json.dumps([sys.executable, sys.prefix, read_once], sort_keys=True)


# --- the leaf command's side ---


def share_fate() -> None:
    """End when workflow/reeltrace does that started this process; without it, as from a terminal, nothing is done."""
    launcher = os.environ.pop(LAUNCHER, "")
    if sys.platform == "linux" and launcher == str(os.getppid()):
        _end_with(os.getppid())


def _end_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that took effect
        os._exit(1)


def fill_streams() -> None:
    """Open what is closed of the standard streams, or another file would get its number and pass for a stream."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def hand_over(arguments: Sequence[str]) -> int | None:
    """Let a fork of the server do `reeltrace ARGUMENTS...` and return its exit code; None where there is no server.

    If the server dies on the way the answer is None too: its forks die with it, and the work is taken up again here. So
    it is where the server, stopped perhaps, does not take the request up: it ends a fork of which nobody hears.
    """
    if len(arguments) < 2 or arguments[0] != "run" or arguments[1] not in STAGES:
        return None
    fill_streams()
    try:
        found = json.loads(os.environ[VARIABLE])
        if found["python"] != _python():
            return None
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(found["socket"])
            request = {"arguments": list(arguments), "folder": str(Path.cwd()), "environment": dict(os.environ)}
            body = json.dumps(request).encode()
            if len(body) > LIMIT:
                return None
            streams = array.array("i", [0, 1, 2])
            connection.sendmsg(
                [len(body).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams.tobytes())]
            )
            connection.sendall(body)
            if connection.recv(1) != TAKEN:
                return None
            connection.settimeout(None)
            answer = connection.recv(16)
    except TimeoutError:
        print(
            f"reeltrace: the process that imports torch for all jobs has not answered for {PATIENCE:g} s; this job "
            "goes on without it",
            file=sys.stderr,
        )
        return None
    except (KeyError, TypeError, ValueError, OSError):
        return None
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if not answer:
        return None
    code = int(answer)
    return 128 - code if code < 0 else code  # as of a shell; workflow/reeltrace says what it means


# --- the server's side ---


@dataclass(eq=False)
class _Asking:
    """A leaf command that has connected, and what has come of its request; `streams` are its standard streams, here."""

    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)
    streams: list[int] = field(default_factory=list)

    def close(self) -> None:
        self.connection.close()
        self.close_streams()

    def close_streams(self) -> None:
        for stream in self.streams:
            os.close(stream)
        self.streams.clear()


@dataclass(eq=False)
class _Fork:
    pid: int
    handle: int  # a file descriptor that can be read once the process has ended
    connection: socket.socket  # to the leaf command

    def close(self) -> None:
        self.connection.close()
        os.close(self.handle)


def serve(path: str) -> list[str] | None:
    """Answer requests at the socket `path` until standard input ends; then None.

    A leaf command that was stopped in its request keeps nobody else waiting. In a fork this returns too: the arguments
    of the command that is to go on there.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's: each leaf and its fork take their own
    asking: set[_Asking] = set()
    running: set[_Fork] = set()
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as selector:
        listening.bind(path)
        listening.listen()
        listening.setblocking(False)
        selector.register(0, selectors.EVENT_READ)
        selector.register(listening, selectors.EVENT_READ)
        owned = True
        while owned or running:
            for event, _ in selector.select():
                of = event.data
                if event.fd == 0 and of is None:
                    owned = False
                    selector.unregister(0)
                    selector.unregister(listening)
                elif of is None:
                    with contextlib.suppress(OSError):  # whoever knocked went away again
                        new = _Asking(listening.accept()[0])
                        new.connection.setblocking(False)
                        asking.add(new)
                        selector.register(new.connection, selectors.EVENT_READ, new)
                elif isinstance(of, _Asking):
                    try:
                        request = _receive(of)
                    except (OSError, ValueError):
                        asking.remove(of)
                        selector.unregister(of.connection)
                        of.close()
                        continue
                    if request is None:
                        continue  # there is more to come
                    asking.remove(of)
                    for module in PRELOADED:
                        importlib.import_module(module)
                    pid = os.fork()
                    if pid == 0:
                        others: list[_Asking | _Fork] = [*asking, *running]
                        for other in others:  # their ends are not for this fork to hold open
                            other.close()
                        return _become(request, of.streams)
                    of.close_streams()
                    with contextlib.suppress(OSError):
                        of.connection.sendall(TAKEN)
                    fork = _Fork(pid, os.pidfd_open(pid), of.connection)
                    running.add(fork)
                    selector.register(fork.handle, selectors.EVENT_READ, fork)
                    selector.modify(fork.connection, selectors.EVENT_READ, fork)
                elif of in running and event.fd == of.handle:
                    running.remove(of)
                    selector.unregister(of.handle)
                    with contextlib.suppress(KeyError):
                        selector.unregister(of.connection)
                    _, status = os.waitpid(of.pid, 0)
                    with contextlib.suppress(OSError):
                        of.connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
                    of.close()
                elif of in running:  # the leaf command was killed, and its fork goes with it
                    selector.unregister(of.connection)
                    os.kill(of.pid, signal.SIGKILL)
    return None


def _receive(asking: _Asking) -> dict[str, Any] | None:
    """Take in what has come of a request: the request once it is whole, None before.

    Raises OSError or ValueError where it never will be.
    """
    numbers = array.array("i")
    try:
        part, more, _, _ = asking.connection.recvmsg(65536, socket.CMSG_SPACE(3 * numbers.itemsize))
    except BlockingIOError:
        return None
    for _, kind, data in more:
        if kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) // numbers.itemsize * numbers.itemsize])
    asking.streams += numbers
    if not part:
        raise OSError("the leaf command ended")
    asking.received += part
    length = int.from_bytes(asking.received[:4], "big")
    if length > LIMIT:
        raise ValueError("a request too long")
    if len(asking.received) < 4 + length:
        return None
    request = json.loads(bytes(asking.received[4:]))
    if not isinstance(request, dict) or len(asking.streams) != 3:
        raise ValueError("not a request")
    return request


def _become(request: dict[str, Any], streams: list[int]) -> list[str]:
    """Turn this fork into the leaf command: its streams, folder and environment, and its end."""
    _end_with(os.getppid())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return list(request["arguments"])


def main() -> None:
    """`python -m reeltrace.pipeline.warm SOCKET`: the server; in its forks, the command line."""
    path = sys.argv[1]
    os.close(os.pidfd_open(os.getpid()))  # an old kernel has none: then there is no server
    arguments = serve(path)
    if arguments is None:
        shutil.rmtree(Path(path).parent, ignore_errors=True)
        return
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        number = ("stdin", "stdout", "stderr").index(name)
        setattr(sys, name, open(number, mode, encoding="utf-8", buffering=1, closefd=False))  # noqa: SIM115
    sys.argv = ["reeltrace", *arguments]
    os.environ.pop(VARIABLE, None)  # what is done here is done here
    importlib.import_module("reeltrace.cli").main()


if __name__ == "__main__":
    main()
