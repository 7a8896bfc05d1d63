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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "REELTRACE_WARM"  # JSON: the socket, and the environment of Python that the server has
STAGES = ("train", "pretrain", "features", "measure")  # what imports torch; the others start as fast by themselves
PRELOADED = ("torch", "numpy")
READ_ONCE = ("PYTHON", "LD_", "ATEN_", "ONEDNN_", "DNNL_", "MKL_CBWR", "TORCH", "PYTORCH_")  # of the environment
LIMIT = 2**20  # bytes of a request
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
        command = [sys.executable, "-P", "-m", "reeltrace.warm", path]  # what lies in this folder is no module
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


def hand_over(arguments: Sequence[str]) -> int | None:
    """Let a fork of the server do `reeltrace ARGUMENTS...` and return its exit code; None where there is no server.

    If the server dies on the way the answer is None too: its forks die with it, and the work is taken up again here.
    """
    if len(arguments) < 2 or arguments[0] != "run" or arguments[1] not in STAGES:
        return None
    for number in range(3):  # a closed one would be the number of the socket, and be handed over as a stream
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    try:
        found = json.loads(os.environ[VARIABLE])
        if found["python"] != _python():
            return None
        with socket.socket(socket.AF_UNIX) as connection:
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
            answer = connection.recv(16)
    except (KeyError, TypeError, ValueError, OSError):
        return None
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if not answer:
        return None
    code = int(answer)
    if code < 0:
        print(f"reeltrace: ended by signal {-code} ({signal.strsignal(-code)})", file=sys.stderr)
        return 128 - code
    return code


# --- the server's side ---


@dataclass(eq=False)
class _Fork:
    pid: int
    handle: int  # a file descriptor that can be read once the process has ended
    connection: socket.socket  # to the leaf command


def serve(path: str) -> list[str] | None:
    """Answer requests at the socket `path` until standard input ends; then None.

    In a fork this returns too: the arguments of the command that is to go on there.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's: each leaf and its fork take their own
    running: set[_Fork] = set()
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as selector:
        listening.bind(path)
        listening.listen()
        selector.register(0, selectors.EVENT_READ)
        selector.register(listening, selectors.EVENT_READ)
        owned = True
        while owned or running:
            for event, _ in selector.select():
                fork = event.data
                if event.fd == 0 and fork is None:
                    owned = False
                    selector.unregister(0)
                    selector.unregister(listening)
                elif fork is None:
                    connection, _ = listening.accept()
                    request = _receive(connection)
                    if request is None:
                        connection.close()
                        continue
                    for module in PRELOADED:
                        importlib.import_module(module)
                    pid = os.fork()
                    if pid == 0:
                        return _become(request)
                    for stream in request["streams"]:
                        os.close(stream)
                    fork = _Fork(pid, os.pidfd_open(pid), connection)
                    running.add(fork)
                    selector.register(fork.handle, selectors.EVENT_READ, fork)
                    selector.register(connection, selectors.EVENT_READ, fork)
                elif fork in running and event.fd == fork.handle:
                    running.remove(fork)
                    selector.unregister(fork.handle)
                    with contextlib.suppress(KeyError):
                        selector.unregister(fork.connection)
                    _, status = os.waitpid(fork.pid, 0)
                    os.close(fork.handle)
                    with contextlib.suppress(OSError):
                        fork.connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
                    fork.connection.close()
                elif fork in running:  # the leaf command was killed, and its fork goes with it
                    selector.unregister(fork.connection)
                    os.kill(fork.pid, signal.SIGKILL)
    return None


def _receive(connection: socket.socket) -> dict[str, Any] | None:
    """One request, with the three streams of the leaf command; None where it is not whole."""
    streams = array.array("i")
    try:
        connection.settimeout(10)
        head, parts, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(3 * streams.itemsize))
        for _, kind, data in parts:
            if kind == socket.SCM_RIGHTS:
                streams.frombytes(data[: len(data) // streams.itemsize * streams.itemsize])
        body = b"".join(_exactly(connection, int.from_bytes(head, "big")))
        request = json.loads(body)
        connection.settimeout(None)
    except (OSError, ValueError):
        request = None
    if request is None or len(streams) != 3:
        for stream in streams:
            os.close(stream)
        return None
    return {**request, "streams": list(streams)}


def _exactly(connection: socket.socket, count: int) -> Iterator[bytes]:
    while count:
        part = connection.recv(min(count, 65536))
        if not part:
            raise OSError("the leaf command ended")
        count -= len(part)
        yield part


def _become(request: dict[str, Any]) -> list[str]:
    """Turn this fork into the leaf command: its streams, folder and environment, and its end."""
    server = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it died before that took effect
        os._exit(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(request["streams"]):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return list(request["arguments"])


def main() -> None:
    """`python -m reeltrace.warm SOCKET`: the server; in its forks, the command line."""
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
