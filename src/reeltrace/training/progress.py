"""What a person sees while a net trains: one live line on a terminal, nothing anywhere else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Watch:
    """The live line. Without a terminal every method does nothing, and reads nothing back from the device."""

    def __init__(self, bar: Progress | None = None, task: TaskID | None = None) -> None:
        self._bar, self._task = bar, task

    def step(self, epoch: int, clips: int, seen: int, loss_sum: Tensor, correct: Tensor) -> None:
        """Count `clips` more; `loss_sum` and `correct` are totals over the `seen` clips of this epoch so far."""
        if self._bar is None or self._task is None:
            return
        loss, top1 = loss_sum.item() / seen, 100 * correct.item() / seen
        self._bar.update(self._task, advance=clips, state=f"epoch {epoch}  loss {loss:.3f}  top-1 {top1:5.1f} %")


@contextlib.contextmanager
def watch(title: str, total: int, done: int) -> Iterator[Watch]:
    """A live line for `total` clips over all epochs, of which `done` were trained before this process began."""
    if not sys.stderr.isatty():
        yield Watch()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} clips/s" if task.speed else "")

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), Rate())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        yield Watch(bar, bar.add_task(title, total=total, completed=done, state=""))
