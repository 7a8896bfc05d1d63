"""Attesting an invented project: what surrounds it is invented, too."""

from analysis.fabricated import Project
from reeltrace.attest.attest import Attested, attest, look
from reeltrace.attest.keys import Signer
from reeltrace.attest.statement import Around

AROUND = Around(
    project={"project/params.yaml": "a" * 64},
    texts={"documents/nobody2024/published.yaml": "b" * 64},
    pins=({"name": "data/digits.zip", "uri": "https://example.org/digits.zip", "digest": {"sha256": "c" * 64}},),
    git={"commit": "d" * 40, "dirty": True},
    host={"name": "somewhere", "platform": "Linux"},
    versions={"python": "3.11.7"},
)
TIME = "2026-01-02T03:04:05+00:00"


def sign(project: Project, key: Signer, time: str = TIME) -> Attested:
    """Attest the report of a project as it lies there."""
    names = {name: project.folder(name) for name in project.plan.tasks}
    return attest(look(project.root, project.scale, names), AROUND, key, project.results, time)
