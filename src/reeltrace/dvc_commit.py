"""`dvc commit -f --no-relink` of many stages at once: `python -m reeltrace.dvc_commit STAGE...`.

DVC's own command takes its targets one after another: for each it reads the project and writes dvc.lock anew, which
for a hundred stages takes minutes. Here the stages are saved and committed as there, and dvc.lock is written once.
A stage that did not change, and whose outputs the cache has, is left alone.
"""

import sys
from collections.abc import Sequence
from functools import cache

from dvc.dependency import param
from dvc.exceptions import DvcException
from dvc.repo import Repo, locked


def commit(repo: Repo, names: Sequence[str]) -> None:
    """Record what the stages' outputs, dependencies and parameters are now. `repo` is locked. Raises DvcException."""
    wanted = set(names)
    stages = [stage for stage in repo.index.stages if stage.addressing in wanted]
    changed = [s for s in stages if s.changed() or any(out.changed_cache() for out in s.outs)]
    for stage in changed:
        stage.save()
        stage.commit(relink=False)
    if changed:
        changed[0].dvcfile.dump_stages(changed, update_pipeline=False)


def main(names: Sequence[str]) -> int:
    """Commit in the current folder; 1, and the reason on standard error, when DVC refuses."""
    param.load_path = cache(param.load_path)  # DVC parses params.yaml three times per stage
    try:
        with Repo() as repo:
            locked(commit)(repo, names)
    except DvcException as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
