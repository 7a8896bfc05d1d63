"""In which order jobs are started when not all can be: those first that the longest chains of work wait for.

The weights are rough, in no unit: they order jobs, and nothing that is reported depends on them. A job that needs more
than one processor comes before all others, while they are idle; later it would have to wait for several to end at once.
"""

from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.dataset import DATASETS, DataSpec, decoded_of
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.pipeline.graph import Job
from reeltrace.pipeline.plan import Plan, Task
from reeltrace.registry.specs import FeaturesSpec, MeasureSpec, PretrainSpec, TrainSpec

FIRST = 1_000_000


def jobs(plan: Plan) -> dict[str, Job]:
    """By name of the task, how an engine is to start it."""
    ranks = priorities(plan)
    decoded = {task.name for task in plan.of("frames") if is_small(plan, task.key)}
    return {task.name: Job(ranks[task.name], threads(task), gpus(task), task.name in decoded) for task in plan}


def priorities(plan: Plan) -> dict[str, int]:
    """By name of the task: the weight of the heaviest chain of tasks that begins with it."""
    heaviest: dict[str, int] = {}
    for task in reversed(list(plan)):  # a task comes after those that it reads
        own = heaviest.get(task.name, 0) + weight(task)
        heaviest[task.name] = own
        for name in task.inputs:
            heaviest[name] = max(heaviest.get(name, 0), own)
    return {name: value + FIRST * (threads(plan[name]) > 1) for name, value in heaviest.items()}


def threads(task: Task) -> int:
    """How many processors a task is to have for itself."""
    spec = task.spec
    if isinstance(spec, MeasureSpec):
        return MEASUREMENTS.get(spec.measurement.kind).resources(spec.measurement).threads
    nets = _running_nets(task)
    return 1 if nets is None else nets.device.threads


def gpus(task: Task) -> int:
    """How many GPUs a task may use."""
    spec = task.spec
    if isinstance(spec, MeasureSpec):
        return MEASUREMENTS.get(spec.measurement.kind).resources(spec.measurement).gpus
    nets = _running_nets(task)
    return int(nets is not None and nets.device.kind != "cpu")


def is_small(plan: Plan, key: str) -> bool:
    """Whether decoding a set of videos is not worth having all processors for itself."""
    dataset = plan.registry.params.datasets[key]
    decoded = decoded_of(dataset)
    return decoded is not None and decoded.small(dataset)


def _running_nets(task: Task) -> TrainSpec | FeaturesSpec | None:
    """By what a task trains a net or runs one; None where it does neither."""
    spec = task.spec.training if isinstance(task.spec, PretrainSpec) else task.spec
    return spec if isinstance(spec, TrainSpec | FeaturesSpec) else None


def weight(task: Task) -> int:
    """How long a task takes, roughly, beside others of its scale."""
    spec = task.spec
    if isinstance(spec, PretrainSpec):
        return 1 if spec.training is None else 3 * spec.training.protocol.epochs
    if isinstance(spec, TrainSpec):
        kind = ARCHITECTURES.get(spec.model.architecture)
        return spec.protocol.epochs * kind.work(spec.model, spec.video is not None)
    if isinstance(spec, MeasureSpec):
        return MEASUREMENTS.get(spec.measurement.kind).weight
    if isinstance(spec, DataSpec):
        return DATASETS.get(spec.kind).weight
    return {"frames": 5, "features": 10, "report": 5}.get(task.stage, 1)
