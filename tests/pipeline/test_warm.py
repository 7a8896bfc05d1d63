"""The server of processes that have imported torch, and the leaf commands that go on in a fork of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import environment
from reeltrace.pipeline import warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfd and prctl are Linux's")

# Stands for the command line: says what it finds around it, and does what its key says.
CLI = """
import json, os, pathlib, sys, time
def main():
    key = sys.argv[3]
    found = {"pid": os.getpid(), "arguments": sys.argv[1:], "folder": os.getcwd(), "asked": os.environ.get("ASKED"),
             "ready": "numpy" in sys.modules, "nested": os.environ.get("REELTRACE_WARM")}
    print(json.dumps(found), flush=True)
    print("to standard error", file=sys.stderr)
    if key == "fails":
        sys.exit(2)
    if key == "dies":
        os.kill(os.getpid(), 9)
    if key == "waits":
        time.sleep(600)
    if key == "reads":
        print(sys.stdin.read())
"""
LEAF = """
import sys
from reeltrace.pipeline import warm
code = warm.hand_over(sys.argv[1:])
print("here" if code is None else code)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package `reeltrace` of the server and of a command line that stands for ours."""
    folder = tmp_path_factory.mktemp("package") / "reeltrace"
    (folder / "pipeline").mkdir(parents=True)
    for package in (folder, folder / "pipeline"):
        (package / "__init__.py").write_text("")
    (folder / "cli.py").write_text(CLI)
    code, preloaded = Path(warm.__file__).read_text(), 'PRELOADED = ("torch", "numpy")'
    assert preloaded in code
    (folder / "pipeline/warm.py").write_text(code.replace(preloaded, 'PRELOADED = ("numpy",)'))  # imported sooner
    return folder.parent


@pytest.fixture(scope="module")
def server(package: Path) -> Iterator[dict[str, str]]:
    """A running server; given is the environment of the commands that find it."""
    owner = (
        "import os, sys, time; from reeltrace.pipeline import warm; assert warm.start() and warm.start(); "
        "print(os.environ[warm.VARIABLE], flush=True); sys.stdin.read()"
    )
    base = {**environment(package), "PYTHONPATH": str(package)}
    with subprocess.Popen(
        [sys.executable, "-c", owner], env=base, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        given = process.stdout.readline().strip()
        place = Path(json.loads(given)["socket"])
        until(place.exists)
        yield {**base, warm.VARIABLE: given}
        process.stdin.close()
    until(lambda: not place.parent.exists())  # the server ends with its owner, and clears up


def until(holds: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def leaf(server: dict[str, str], *arguments: str, folder: Path | None = None, **more: Any) -> Any:
    return subprocess.run(
        [sys.executable, "-c", LEAF, *arguments],
        env=server,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **more,
    )


def test_a_fork_goes_on_in_the_place_of_the_leaf(server: dict[str, str], tmp_path: Path) -> None:
    done = leaf({**server, "ASKED": "yes"}, "run", "train", "a run", folder=tmp_path)
    found = json.loads(done.stdout.splitlines()[0])
    assert found["arguments"] == ["run", "train", "a run"]
    assert found["folder"] == str(tmp_path)
    assert found["asked"] == "yes"
    assert found["nested"] is None
    assert found["ready"]
    assert done.stderr == "to standard error\n"
    assert done.stdout.splitlines()[1] == "0"


def test_two_leaves_get_two_forks_of_one_process(server: dict[str, str]) -> None:
    pids = {json.loads(leaf(server, "run", "train", "x").stdout.splitlines()[0])["pid"] for _ in range(2)}
    assert len(pids) == 2


def test_standard_input_is_the_leaf_s(server: dict[str, str]) -> None:
    assert "a line" in leaf(server, "run", "measure", "reads", input="a line").stdout


def test_the_exit_code_is_that_of_the_command(server: dict[str, str]) -> None:
    assert leaf(server, "run", "train", "fails").stdout.splitlines()[-1] == "2"
    assert leaf(server, "run", "train", "dies").stdout.splitlines()[-1] == "137"


def test_a_leaf_that_was_stopped_in_its_request_keeps_nobody_waiting(server: dict[str, str], tmp_path: Path) -> None:
    request = {"arguments": ["run", "train", "slow"], "folder": str(tmp_path), "environment": dict(server)}
    body = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as stopped, socket.socket(socket.AF_UNIX) as silent:
        (tmp_path / "said").touch()
        with (tmp_path / "said").open("r+b") as said:
            for connection in (stopped, silent):
                connection.connect(json.loads(server[warm.VARIABLE])["socket"])
            socket.send_fds(stopped, [len(body).to_bytes(4, "big")], [said.fileno()] * 3)
        stopped.sendall(body[:20])
        assert leaf(server, "run", "train", "fails").stdout.splitlines()[-1] == "2"
        for connection in (stopped, silent):  # neither was answered, or turned away
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
            connection.settimeout(30)
        for start in range(20, len(body), 1000):
            stopped.sendall(body[start : start + 1000])
        assert stopped.recv(1) == warm.TAKEN
        assert stopped.recv(16) == b"0"
        assert '"slow"' in (tmp_path / "said").read_text()


@pytest.mark.parametrize(
    "sent",
    [b"", b"\xff" * 8, b"\0\0\0\2[]", b"\0\0\0\2{}", b"\0\0\0\2{?"],
    ids=["none", "long", "list", "no streams", "odd"],
)
def test_what_is_no_request_is_turned_away(server: dict[str, str], sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(json.loads(server[warm.VARIABLE])["socket"])
        connection.settimeout(30)
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(16) == b""
    assert leaf(server, "run", "train", "fails").stdout.splitlines()[-1] == "2"


def test_a_closed_stream_is_not_taken_for_the_connection(server: dict[str, str]) -> None:
    """Standard input closed, as some daemons start commands: the socket would be number 0."""
    command = [sys.executable, "-c", LEAF, "run", "train", "waits"]
    with subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command], env=server, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = json.loads(process.stdout.readline())["pid"]
        process.send_signal(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_fork_ends_with_its_leaf(server: dict[str, str], end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEAF, "run", "train", "waits"], env=server, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = json.loads(process.stdout.readline())["pid"]
        assert Path(f"/proc/{pid}").exists()
        process.send_signal(end)
    until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("arguments", [("run", "aggregate", "x"), ("status",), ("run",), ("run", "train", "--help")])
def test_other_commands_are_done_where_they_are(server: dict[str, str], arguments: tuple[str, ...]) -> None:
    handed = arguments[:2] == ("run", "train")
    assert (leaf(server, *arguments).stdout.splitlines()[-1] == "here") is not handed


@pytest.mark.parametrize(
    "change",
    [
        {warm.VARIABLE: "no JSON"},
        {warm.VARIABLE: json.dumps({"socket": "/nowhere/socket", "python": "another"})},
        {"ONEDNN_MAX_CPU_ISA": "SSE41"},
        {"PYTHONHASHSEED": "7"},
    ],
    ids=["garbled", "another interpreter", "another processor emulated", "another seed of hashes"],
)
def test_a_server_of_another_kind_is_not_asked(server: dict[str, str], change: dict[str, str]) -> None:
    assert leaf({**server, **change}, "run", "train", "x").stdout == "here\n"


def test_a_server_that_is_gone_is_not_missed(server: dict[str, str], tmp_path: Path) -> None:
    gone = json.dumps({**json.loads(server[warm.VARIABLE]), "socket": str(tmp_path / "socket")})
    assert leaf({**server, warm.VARIABLE: gone}, "run", "train", "x").stdout == "here\n"


def server_and_its_pid(package: Path) -> tuple["subprocess.Popen[str]", dict[str, str], int]:
    """An owner of a server, which ends with its standard input, the environment of leaves, and the server's pid."""
    base = {**environment(package), "PYTHONPATH": str(package)}
    owner = (
        "import os, sys; from reeltrace.pipeline import warm; warm.start(); print(warm._server.pid); "
        "print(os.environ[warm.VARIABLE], flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", owner], env=base, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid, given = int(process.stdout.readline()), process.stdout.readline().strip()
    until(Path(json.loads(given)["socket"]).exists)
    return process, {**base, warm.VARIABLE: given}, pid


def test_a_server_that_was_stopped_is_not_waited_for(package: Path, tmp_path: Path) -> None:
    """And when it goes on, nothing is left of what was given up."""
    process, given, pid = server_and_its_pid(package)
    with process:
        assert process.stdin is not None
        impatient = LEAF.replace("code = ", "warm.PATIENCE = 0.5\ncode = ")
        os.kill(pid, signal.SIGSTOP)
        try:
            with (tmp_path / "said").open("w") as said:  # a pipe would be held open by the one that was stopped
                command = [sys.executable, "-c", impatient, "run", "train", "waits"]
                subprocess.run(command, env=given, stdout=said, stderr=said, timeout=60, check=True)
        finally:
            os.kill(pid, signal.SIGCONT)
        line, here = (tmp_path / "said").read_text().splitlines()
        assert "has not answered for 0.5 s" in line and here == "here"
        assert leaf(given, "run", "train", "fails").stdout.splitlines()[-1] == "2"
        children = Path(f"/proc/{pid}/task/{pid}/children")
        until(lambda: not children.read_text().split())
        process.stdin.close()


def test_a_fork_dies_with_the_server_and_the_leaf_takes_the_work_up(package: Path) -> None:
    process, given, pid = server_and_its_pid(package)
    with process:
        assert process.stdin is not None
        with subprocess.Popen(
            [sys.executable, "-c", LEAF, "run", "train", "waits"], env=given, stdout=subprocess.PIPE, text=True
        ) as waiting:
            assert waiting.stdout is not None
            fork = json.loads(waiting.stdout.readline())["pid"]
            os.kill(pid, signal.SIGKILL)
            assert waiting.stdout.readline() == "here\n"
            until(lambda: not Path(f"/proc/{fork}").exists())
        process.stdin.close()


def test_what_lies_in_the_folder_is_no_module_of_the_server(package: Path, tmp_path: Path) -> None:
    (tmp_path / "selectors.py").write_text("raise SystemExit(1)\n")
    base = {**environment(package), "PYTHONPATH": str(package)}
    owner = (
        "import os, sys; from reeltrace.pipeline import warm; warm.start(); "
        "print(os.environ[warm.VARIABLE]); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-uPc", owner],
        env=base,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        until(Path(json.loads(process.stdout.readline())["socket"]).exists)
        process.stdin.close()
