"""How fast trainings go here, as the epochs that were seen tell; and how long the rest of one takes, as they let guess.

A run goes as it went with another seed. Of one that was not seen yet, an epoch takes as much longer than those that
were as its weight says (`order.weight`), which is rough.
"""

from reeltrace.pipeline.order import weight
from reeltrace.pipeline.plan import Task
from reeltrace.registry.specs import PretrainSpec, TrainSpec

RECENT = 3  # epochs that say how long the next one takes: the first ones of a process are slower


class Pace:
    """Seconds of epochs and of what follows the last, by run."""

    def __init__(self) -> None:
        self._epochs: dict[str, list[float]] = {}
        self._ends: dict[str, float] = {}
        self._seconds = self._weight = 0.0

    def epoch_took(self, task: Task, seconds: float) -> None:
        """An epoch of a training, with its validation and its state written."""
        self._epochs.setdefault(run_of(task), []).append(seconds)
        self._seconds += seconds
        self._weight += _weight_of_epoch(task)

    def end_took(self, task: Task, seconds: float) -> None:
        """What follows the last epoch: evaluation, and the artifact written."""
        self._ends[run_of(task)] = seconds

    def epoch(self, task: Task) -> float | None:
        """Seconds that an epoch is expected to take, the longest of the last ones; None where none was seen."""
        if seen := self._epochs.get(run_of(task)):
            return max(seen[-RECENT:])
        return self._seconds / self._weight * _weight_of_epoch(task) if self._weight else None

    def end(self, task: Task) -> float | None:
        """Seconds of what follows the last epoch: as seen, of others the longest seen, or as an epoch."""
        return self._ends.get(run_of(task), max(self._ends.values(), default=self.epoch(task)))

    def rest(self, task: Task, done: int) -> float | None:
        """Seconds until a training is made of which `done` epochs are; None where none was seen."""
        epoch, end = self.epoch(task), self.end(task)
        return None if epoch is None or end is None else (epochs_of(task) - done) * epoch + end


def training_of(task: Task) -> TrainSpec | None:
    """The training that a task is, or that a backbone is learned by; None where there is none."""
    spec = task.spec.training if isinstance(task.spec, PretrainSpec) else task.spec
    return spec if isinstance(spec, TrainSpec) else None


def epochs_of(task: Task) -> int:
    """How many epochs a task trains."""
    training = training_of(task)
    return 0 if training is None else training.protocol.epochs


def run_of(task: Task) -> str:
    """What goes alike with every seed."""
    training = training_of(task)
    return task.name if training is None else f"{task.stage}/{training.run}"


def _weight_of_epoch(task: Task) -> float:
    return weight(task) / max(1, epochs_of(task))
