"""Whether what tasks bring from elsewhere can be had: asked before the work, which may last hours.

A file that is there needs no network; of one that is not, an address has to answer. What it then serves is judged when
it is downloaded.
"""

import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import requests

from reeltrace.data import declared, downloads
from reeltrace.data.declared import NpmPackage
from reeltrace.data.downloads import Source
from reeltrace.data.videos_stage import LISTS, VIDEOS
from reeltrace.kinds.datasets.images import ImagesSpec
from reeltrace.kinds.datasets.videos import VideosSpec
from reeltrace.registry.fields import Spec
from reeltrace.registry.specs import PretrainSpec

PATIENCE = 5.0  # seconds for an address to take the connection, and to answer
NPM_PATIENCE = 20.0  # seconds for npm, which starts slowly
REMEDY = 'bring it by hand: docs/videos.md, "Bringing files by hand"'

Way = tuple[str, ...]  # keys of declared.yaml that do together


def ways_of(spec: Spec) -> tuple[Way, ...]:
    """The ways to what a task brings, of which one suffices; none where it brings nothing."""
    if isinstance(spec, ImagesSpec) and spec.source == "mnist":
        return ("mnist-labels", "mnist-images"), ("mnist-package",)
    if isinstance(spec, VideosSpec) and spec.generated is None and spec.layout != "listed":
        return tuple((LISTS[spec.layout], videos) for videos in VIDEOS[spec.layout])
    if isinstance(spec, PretrainSpec) and spec.training is None and spec.backbone.weights is not None:
        return ((spec.backbone.weights,),)
    return ()


def out_of_reach(specs: Mapping[str, Spec]) -> dict[str, str]:
    """By name of a task that brings what cannot be had: which files, why, and the remedy, in one line.

    Raises `UserError` where the declared sources are not to be read.
    """
    wanted = {name: ways for name, spec in specs.items() if (ways := ways_of(spec))}
    sources, folder = declared.read(), downloads.place()
    # what is not declared, the stage says
    away = {key: source for key, source in sources.items() if not (folder / _file(source)).exists()}
    waiting = [ways for ways in wanted.values() if all(away.keys() & {*way} for way in ways)]
    asked = sorted(away.keys() & {key for ways in waiting for way in ways for key in way})
    with ThreadPoolExecutor(max(1, len(asked))) as threads:
        answers = threads.map(lambda key: _why_not(away[key]), asked)
        silent = {key: why for key, why in zip(asked, answers, strict=True) if why}
    found = {}
    for name, ways in wanted.items():
        lacking = [{_file(away[key]): silent[key] for key in way if key in silent} for way in ways]
        if all(lacking):
            words = "; or else ".join(
                f"{' and '.join(files)} ({'; '.join(dict.fromkeys(files.values()))})" for files in lacking
            )
            found[name] = f"cannot be had, nor is it in {folder}: {words}; {REMEDY}"
    return found


def _file(source: Source | NpmPackage) -> str:
    return source.name if isinstance(source, Source) else source.tarball


def _why_not(source: Source | NpmPackage) -> str:
    """Why no address of a source answers; empty where one does."""
    if not isinstance(source, Source):
        return _why_not_npm(f"{source.name}@{source.version}")
    reasons = []
    for url in source.urls:
        if not (why := _why_not_url(url)):
            return ""
        reasons.append(f"{urlsplit(url).hostname}: {why}")
    return "; ".join(reasons) or "no address is declared"


def _why_not_url(url: str) -> str:
    try:
        with requests.get(url, headers={"Range": "bytes=0-0"}, stream=True, timeout=PATIENCE) as response:
            status = response.status_code
    except requests.exceptions.RequestException as error:
        return downloads.innermost(error).replace(f"'{urlsplit(url).hostname}' ", "")
    # what may pass a download tries again
    return "" if status < 400 or downloads.may_pass(status) else f"HTTP {status} {response.reason}"


def _why_not_npm(package: str) -> str:
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    command = [npm, "view", package, "version", "--fetch-retries=0", f"--fetch-timeout={PATIENCE * 1000:.0f}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=NPM_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "npm does not answer"
    return "" if done.returncode == 0 else "npm does not reach its registry"
