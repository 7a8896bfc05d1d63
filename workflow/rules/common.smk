# Helper functions of all rules: the plan, and what each rule asks of it.

import os
import sys
from pathlib import Path

from snakemake.settings.types import DeploymentMethod
from snakemake.utils import available_cpu_count

PROJECT = Path(str(workflow.current_basedir)).parents[1]
if not (PROJECT.is_dir() and PROJECT.samefile(Path.cwd())):
    raise WorkflowError(
        f"{Path.cwd()}: not the folder of this workflow, and it works only there, beside its params.yaml and dvc.yaml; "
        f"run it with: --directory {PROJECT}"
    )

# The code of this folder, whatever is installed where; workflow/reeltrace says more.
sys.path.insert(0, str(PROJECT / "src"))
try:
    from reeltrace.machine import processor, variables
    from reeltrace.pipeline import launching, warm
    from reeltrace.artifacts.files import in_one_line
    from reeltrace.errors import CheckFailed, UserError
    from reeltrace.pipeline.graph import check_sources
    from reeltrace.pipeline.kept import load
    from reeltrace.pipeline.standings import refresh_specs, refuse_unreadable
    from reeltrace.pipeline.workflow_run import WorkflowRun

    launching.refuse_place(PROJECT)
    variables.check()
    processor.check_limits()
    REPORTED = load()
    PLAN = REPORTED.whole()  # with what the report does not wait for
    check_sources(PLAN)
    refuse_unreadable(PLAN)
    refresh_specs(PLAN)
    TARGETS = PLAN.named()
    RUN = WorkflowRun(PLAN, workflow)
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{sys.executable}: has Snakemake but not {error.name}, which this workflow reads its plan with; "
        "run `make report`, or install what requirements.lock names beside this Snakemake"
    ) from None
except (UserError, CheckFailed, OSError) as error:
    raise WorkflowError(in_one_line(error)) from None

os.environ.update(
    launching.job_environment(
        PROJECT,
        deployed=DeploymentMethod.CONDA
        in workflow.deployment_settings.deployment_method,
    )
)

# What the control groups of this process allow bounds the jobs, unless --cores or --resources say something else.
LIMITS = launching.allowed()
CORES = workflow.global_resources["_cores"].value
if workflow.is_main_process and workflow.local_exec:
    if CORES == available_cpu_count() and LIMITS.cores is not None:
        CORES = min(CORES, LIMITS.cores)
        workflow.register_resource("_cores", CORES)
    if "mem_mb" not in workflow.global_resources and LIMITS.memory_mb is not None:
        workflow.register_resource("mem_mb", LIMITS.memory_mb)

FOLDER = f"results/{PLAN.scale}"
JOBS = PLAN.jobs()


def keys(stage):
    """A wildcard constraint: the keys of one stage."""
    return "|".join(task.key for task in PLAN.of(stage)) or "(?!)"


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


def memory(stage):
    """What a job of this stage is given of the memory, in MB: a resource."""

    def of(wildcards, threads):
        return launching.memory_mb(stage, PLAN.scale, threads)

    return of


def threads_of(stage):
    """The processors of a job; a measurement of time gets those that it computes with, and no job beside it."""
    return lambda wildcards: JOBS[f"{stage}/{wildcards.key}"].threads


def decoding_threads(wildcards):
    """All processors that there are, eight where a cluster decides; one for a small set, which is not worth waiting for all."""
    if JOBS[f"frames/{wildcards.key}"].small:
        return 1
    return CORES or 8


def priority_of(stage):
    """What the longest chains of work wait for comes first."""
    return lambda wildcards: JOBS[f"{stage}/{wildcards.key}"].priority


def gpus_of(stage):
    """How many GPUs a job may use: a resource."""
    return lambda wildcards: JOBS[f"{stage}/{wildcards.key}"].gpus
