# Helper functions of all rules: the plan, and what each rule asks of it.

from reeltrace.engines import refresh_specs
from reeltrace.errors import CheckFailed, UserError
from reeltrace.plan import check_given, load_plan
from reeltrace.workflow_run import WorkflowRun

try:
    PLAN = load_plan()
    for task in PLAN:
        check_given(task)
    refresh_specs(PLAN)
    RUN = WorkflowRun(PLAN, workflow)
except (UserError, CheckFailed, OSError) as error:
    raise WorkflowError(str(error)) from None

FOLDER = f"results/{PLAN.registry.scale}"
DEVICE = PLAN.registry.params.device


def keys(stage, kind=None, outputs=None):
    """A wildcard constraint: the keys of one stage, of one kind, or of those tasks that leave these files behind."""
    tasks = [task for task in PLAN.of(stage) if kind is None or task.spec.kind == kind]
    tasks = [task for task in tasks if outputs is None or task.outputs == outputs]
    return "|".join(task.key for task in tasks) or "(?!)"


def manifests(stage):
    """An input function: the manifests of the artifacts that a task reads."""

    def of(wildcards):
        return [
            source.manifest
            for source in PLAN.inputs_of(PLAN[f"{stage}/{wildcards.key}"])
        ]

    return of


def sources(stage):
    """An input function: the code and text files behind a task."""

    def of(wildcards):
        return [path.as_posix() for path in PLAN[f"{stage}/{wildcards.key}"].sources]

    return of


def files(stage, names):
    """The files that a task leaves behind, as patterns over `key`."""
    return [
        f"{FOLDER}/{stage}/{{key}}/{name}"
        for name in ("receipt.json", *names)
        if not name.endswith("/")
    ]


def folders(stage, names):
    """The folders that a task leaves behind, as patterns over `key`."""
    return [
        directory(f"{FOLDER}/{stage}/{{key}}/{name}")
        for name in names
        if name.endswith("/")
    ]


def measuring_threads(wildcards):
    """The threads of a measurement: a measurement of time gets those that it computes with, and no job beside it."""
    measurement = PLAN[f"measure/{wildcards.key}"].spec.measurement
    return measurement.threads if measurement.kind == "latency" else 1


def measuring_gpus(wildcards):
    """How many GPUs a measurement may use."""
    measurement = PLAN[f"measure/{wildcards.key}"].spec.measurement
    return int(measurement.kind == "latency" and measurement.device != "cpu")
