"""One page of a headless Firefox, driven over WebDriver BiDi."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 60
SCROLL = "{block: 'center', behavior: 'instant'}"
# The browser of a test talks to nobody on its own account.
PREFERENCES = {
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


def firefox() -> str:
    """The browser's path. Without one the tests are skipped on a laptop and fail where CI is set."""
    found = shutil.which("firefox-esr") or shutil.which("firefox")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no firefox on PATH; install Debian's package firefox-esr")
        pytest.skip("no firefox on PATH; install Debian's package firefox-esr to test the report in it")
    return found


class Firefox:
    """A browser with one page. `events` are those since the page was opened.

    With `scripts` off no script of a page runs; what `js` asks for does all the same.
    """

    def __init__(self, profile: Path, *, scripts: bool = True) -> None:
        web = pytest.importorskip("aiohttp", reason="no aiohttp, which DVC brings, to speak with Firefox")
        profile.mkdir(parents=True, exist_ok=True)
        preferences = {**PREFERENCES, "javascript.enabled": scripts}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
        (profile / "user.js").write_text("".join(lines), encoding="utf-8")
        self._process = subprocess.Popen(
            [firefox(), "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port=0"],
            env={**os.environ, "HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._loop = asyncio.new_event_loop()
        self._next = 0
        self.events: list[dict[str, Any]] = []
        self._web = self._wait(self._session(web))
        self._socket = self._wait(self._web.ws_connect(f"{self._address()}/session", max_msg_size=0))
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self._page = self.call("browsingContext.getTree")["contexts"][0]["context"]

    async def _session(self, web: Any) -> Any:
        return web.ClientSession()

    def _wait(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(coroutine, TIMEOUT_S))

    def _address(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"ws://\S+", line):
                return found[0]
        pytest.fail("firefox ended without an address to speak to it")

    def close(self) -> None:
        for end in (self._socket.close, self._web.close):
            self._wait(end())
        self._loop.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._next += 1
        self._wait(self._socket.send_json({"id": self._next, "method": method, "params": params}))
        while True:
            answer = self._wait(self._socket.receive_json())
            if answer.get("id") == self._next:
                assert answer["type"] == "success", answer
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, page: str, width: int = 1280, height: int = 900) -> None:
        """Open an address, and wait until it has loaded and is all laid out."""
        self.call("browsingContext.setViewport", context=self._page, viewport={"width": width, "height": height})
        self.events.clear()
        self.call("browsingContext.navigate", context=self._page, url=page, wait="complete")
        end = time.monotonic() + TIMEOUT_S
        while self.js("document.documentElement.classList.contains('opening')"):
            assert time.monotonic() < end, "the page was not laid out"
            time.sleep(0.02)

    def js(self, expression: str) -> Any:
        """The value of an expression, as JSON has it."""
        answer = self.call(
            "script.evaluate",
            expression=f"JSON.stringify({expression})",
            target={"context": self._page},
            awaitPromise=False,
        )
        assert answer["type"] == "success", answer
        value = answer["result"].get("value")
        return None if value is None else json.loads(value)

    def nodes(self, selector: str) -> list[dict[str, Any]]:
        """The elements that a selector of CSS finds."""
        found = self.call(
            "browsingContext.locateNodes", context=self._page, locator={"type": "css", "value": selector}
        )["nodes"]
        return [dict(node) for node in found]

    def act(self, kind: str, actions: list[dict[str, Any]]) -> None:
        """Press keys or buttons as somebody would."""
        given = {"type": kind, "id": kind, "actions": actions}
        self.call("input.performActions", context=self._page, actions=[given])

    def click(self, selector: str) -> None:
        """A click in the middle of the first element that a selector finds, once it is in view."""
        self.js(f"document.querySelector({json.dumps(selector)}).scrollIntoView({SCROLL})")
        origin = {"type": "element", "element": {"sharedId": self.nodes(selector)[0]["sharedId"]}}
        moved = {"type": "pointerMove", "x": 0, "y": 0, "origin": origin}
        self.act("pointer", [moved, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}])

    def type(self, text: str) -> None:
        """Keys, one after the other."""
        self.act("key", [{"type": how, "value": letter} for letter in text for how in ("keyDown", "keyUp")])

    def said(self) -> list[str]:
        """What the page wrote to the console, and errors in its scripts."""
        return [str(event["params"]["text"]) for event in self.events if event.get("method") == "log.entryAdded"]

    def requested(self) -> list[str]:
        """The addresses that were asked for."""
        asked = [event for event in self.events if event.get("method") == "network.beforeRequestSent"]
        return [str(event["params"]["request"]["url"]) for event in asked]
