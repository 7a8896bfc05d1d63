"""Readings of what documents leave open: the runs that follow from them, and where a mistake is said to be."""

import pytest
import yaml

from conftest import refusal
from invented import FILES
from reeltrace.pipeline.plan import Plan
from reeltrace.registry.fields import SCALES
from reeltrace.registry.reading import registry_of

FILE = "documents/nobody2024/readings.yaml"
SAYS = "something else"


def having(**of_path: object) -> dict[str, str]:
    """The invented registry, its readings of the path replaced."""
    return {**FILES, FILE: yaml.safe_dump({"path": of_path})}


def reading(**changes: object) -> dict[str, object]:
    return {"says": SAYS, "runs": ["drift-plain"], "changes": {"datasets": {"drifting-digits": {"seed": 5}}}, **changes}


@pytest.mark.parametrize("scale", SCALES)
def test_a_run_under_a_reading_differs_in_what_is_changed_alone(scale):
    registry = registry_of(FILES, scale)
    chosen, read = (registry.train_spec(run, 0) for run in ("drift-t2", "drift-t2--no-norm"))
    differing = {name for name, value in read if value != getattr(chosen, name)}
    assert differing == {"key", "run", "model"}
    assert read.model.batch_norm is False and read.model.bias is True  # type: ignore[union-attr]
    assert {n for n, v in read.model if v != getattr(chosen.model, n)} == {"batch_norm", "bias"}
    assert read.key == "drift-t2--no-norm-s0"
    assert registry.train_spec("drift-plain--bounce", 0).dataset == "drifting-digits--bounce"
    speed = registry.params.datasets["drifting-digits"].speed  # type: ignore[attr-defined]
    of_reading = registry.params.datasets["drifting-digits--bounce"].speed  # type: ignore[attr-defined]
    assert of_reading == ((1.0, 2.0) if scale == "quick" else speed)


def test_readings_change_nothing_else():
    """No spec that there was without them is another one."""
    alone = {path: text for path, text in FILES.items() if path != FILE}
    without, plan = (Plan(registry_of(files, "quick")) for files in (alone, FILES))
    assert not without.asides and "readings" not in without.named()
    assert {task.name: task.spec_text() for task in plan} == {task.name: task.spec_text() for task in without}
    assert {task.name: task.inputs for task in plan} == {task.name: task.inputs for task in without}


def test_what_a_reading_does_not_change_is_shared():
    plan = Plan(registry_of(FILES, "quick"))
    made = [name for name in plan.asides if name != "reading/nobody2024"]
    assert sorted(made) == [
        "data/drifting-digits--bounce",
        "train/drift-plain--bounce-s0",
        "train/drift-plain--no-norm-s0",
        "train/drift-t2--no-norm-s0",
    ]
    assert plan["train/drift-t2--no-norm-s0"].inputs == ("data/drifting-digits",)
    assert plan["data/drifting-digits--bounce"].inputs == ("data/digits",)
    changes = ("path.bounce.changes.datasets.drifting-digits", "path.bounce.quick.datasets.drifting-digits")
    assert plan["data/drifting-digits--bounce"].params == ("scale", "datasets.drifting-digits", *changes)
    found = plan["reading/nobody2024"]
    assert set(found.inputs) == {
        "train/drift-plain-s0",
        "train/drift-t2-s0",
        *(n for n in made if n.startswith("train/")),
    }


def test_the_report_waits_for_readings_where_that_is_asked_for():
    asked = {**FILES, "params.yaml": f"{FILES['params.yaml']}\nreadings: true\n"}
    alone, plan = (Plan(registry_of(files, "quick")) for files in (FILES, asked))
    assert not plan.asides and plan.tasks.keys() == alone.tasks.keys() | alone.asides.keys()
    assert set(plan["report/all"].inputs) == set(alone["report/all"].inputs) | alone.asides.keys()
    assert list(plan.tasks)[-1] == "report/all" and plan["report/all"].spec.readings == ("nobody2024",)  # type: ignore[attr-defined]
    assert alone["report/all"].spec.readings == ()  # type: ignore[attr-defined]


def test_a_users_own_change_holds_under_readings_too():
    own = {**FILES, "params.yaml": f"{FILES['params.yaml']}\nprotocols: {{drift: {{epochs: 9}}}}\n"}
    assert registry_of(own).train_spec("drift-t2--no-norm", 0).protocol.epochs == 9


def test_a_reading_is_left_out_where_a_scale_has_null_and_where_no_table_is_asked_for():
    files = having(other=reading(quick=None))
    assert registry_of(files, "quick").reading_runs() == []
    assert registry_of(files, "smoke").reading_runs() == ["drift-plain--other"]
    chosen = {**FILES, "params.yaml": f"{FILES['params.yaml']}".replace("documents: all", "documents: [someone2025]")}
    assert registry_of(chosen, "quick").read_documents() == []


NOTHING = {"datasets": {"drifting-digits": {"seed": 2}}}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (reading(say="x"), f"{FILE}: path.other.say: unknown key; expected says, runs, changes, quick, smoke"),
        (reading(runs=[]), f"{FILE}: path.other.runs: found []"),
        (reading(changes={"tables": {}}), f"{FILE}: path.other.changes.tables"),
        (reading(runs=["drift-plane"]), "path.other (scale paper): runs: no run is named 'drift-plane'; "),
        (reading(changes={"datasets": {"drifting-digit": {"seed": 5}}}), "no dataset is named 'drifting-digit'; "),
        (reading(changes=NOTHING), "datasets.drifting-digits is so already"),
        (reading(smoke=NOTHING), "path.other (scale smoke): datasets.drifting-digits is so already"),
        (reading(runs=["drift-plain", "films-t2"]), "nothing that 'films-t2' is made of is changed"),
        (
            reading(changes={"datasets": {"drifting-digits": {"seed": 5}}, "protocols": {"spin": {"epochs": 61}}}),
            "protocols.spin: none of its runs (drift-plain) is made of it",
        ),
        (
            reading(changes={"datasets": {"drifting-digits": {"sead": 5}}}),
            f"{FILE}: path.other: datasets.drifting-digits--other.sead: unknown key",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(found, said):
    message = refusal(registry_of, having(other=found))
    assert said in message and "\n" not in message


def test_two_readings_of_one_name_are_refused():
    twice = yaml.safe_dump({"path": {"other": reading()}, "norm-and-bias": {"other": reading()}})
    message = refusal(registry_of, {**FILES, FILE: twice})
    assert message == (
        f"{FILE}: path.other: {FILE}: norm-and-bias.other makes datasets.drifting-digits--other too; rename one"
    )


def test_two_dashes_are_kept_for_readings():
    where = "documents/nobody2024/experiments.yaml"
    doubled = {**FILES, where: FILES[where].replace("  time-net:", "  time--net:")}
    assert refusal(registry_of, doubled).startswith(f"{where}: models.time--net: -- stands between a key and a reading")
