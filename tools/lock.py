"""Write requirements.lock and environment.yml from the packages installed in the running environment.

Usage, in a fresh environment made with `pip install -e '.[dev]'`: python tools/lock.py
The first block of the lock holds what pyproject.toml names; the second what those packages pull in.
"""

import importlib.metadata as metadata
import re
import tomllib
from pathlib import Path

LINUX_ONLY = re.compile(r"^(nvidia-|cuda-|triton$)")


def canonical(name: str) -> str:
    """A package name as the packaging specifications compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    """The name in a requirement such as `decord; sys_platform == 'linux'`."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return canonical(match.group())


def main() -> None:
    """Write both files in the current folder."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    markers = {requirement_name(r): r.partition(";")[2].strip() for r in requirements}
    installed = {
        canonical(d.metadata["Name"]): d.version.partition("+")[0]
        for d in metadata.distributions()
        if canonical(d.metadata["Name"]) not in {"pip", "reeltrace"}
    }
    missing = sorted(set(markers) - set(installed))
    if missing:
        raise SystemExit(f"not installed here: {', '.join(missing)}")

    def line(name: str) -> str:
        marker = markers.get(name) or ("sys_platform == 'linux'" if LINUX_ONLY.match(name) else "")
        return f"{name}=={installed[name]}" + (f" ; {marker}" if marker else "")

    top = [line(name) for name in sorted(markers)]
    rest = [line(name) for name in sorted(set(installed) - set(markers))]
    Path("requirements.lock").write_text(
        "# Pinned versions; written by tools/lock.py.\n# -- named in pyproject.toml --\n"
        + "\n".join(top)
        + "\n# -- pulled in by these --\n"
        + "\n".join(rest)
        + "\n"
    )
    Path("environment.yml").write_text(
        "# The same top-level set as requirements.lock, for conda; written by tools/lock.py.\n"
        "name: reeltrace\nchannels:\n  - conda-forge\ndependencies:\n"
        f"  - python{project['requires-python']}\n  - pip\n  - pip:\n"
        + "".join(f'      - "{entry}"\n' for entry in top)
    )


if __name__ == "__main__":
    main()
