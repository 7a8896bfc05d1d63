"""The example of the documentation, which adds a table to this document."""

import re
import shutil
from pathlib import Path
from textwrap import dedent, indent

import pytest

from conftest import FILES, PROJECT
from reeltrace.analysis.cross_checks import check_texts
from reeltrace.errors import UserError
from reeltrace.pipeline.plan import Plan
from reeltrace.registry.reading import registry_of

PUBLISHED = "documents/basu2021/published.yaml"


def test_the_example_of_the_documentation_is_accepted_as_it_stands(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "documents", tmp_path / "documents")
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))  # of the ledgers
    text = (PROJECT / "docs/adding-an-experiment.md").read_text(encoding="utf-8")
    blocks = [dedent(block) for block in re.findall(r"^ *```yaml\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)]
    runs, tables = blocks[:2]
    transcription = next(block for block in blocks if block.startswith("T2 on digits:"))
    file = "documents/basu2021/experiments.yaml"
    experiments = FILES[file]
    for block in (runs, tables):
        section = block.partition("\n")[0]
        assert experiments.count(f"\n{section}\n") == 1
        experiments = experiments.replace(f"\n{section}\n", f"\n{block}", 1)
    registry = registry_of({**FILES, file: experiments})
    with pytest.raises(UserError, match=rf"no table 'T2 on digits' in {PUBLISHED}"):
        check_texts(registry, tmp_path)
    path = tmp_path / PUBLISHED
    path.write_text(path.read_text(encoding="utf-8") + indent(transcription, "  "), encoding="utf-8")
    check_texts(registry, tmp_path)
    before, after = ({task.name for task in Plan(of, PROJECT)} for of in (registry_of(FILES), registry))
    assert after - before == {"train/digit-cnn4-t2-s0", "aggregate/basu2021-t2-on-digits"}
    read = [t.key for t in Plan(registry, PROJECT).of("aggregate") if Path(PUBLISHED) in t.texts]
    assert len(read) == 9 and "the nine tables of the document" in " ".join(text.split())
