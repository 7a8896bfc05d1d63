"""What each stage cost, as the receipts say: seconds, share of the whole, peak memory. Torch-free and quick."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT
from reeltrace.errors import CheckFailed
from reeltrace.machine.memory import shown
from reeltrace.pipeline.plan import Plan

MOST_SECONDS = 1e9  # about thirty years


@dataclass(frozen=True)
class Cost:
    """What one artifact took: seconds, their share of all in percent, and the peak memory of its process in bytes.

    `processor` is the processor time in seconds, of all threads and of processes that it started; where other jobs ran
    beside, it says more than `seconds` do. None where a receipt does not say. In the total of a stage, without a key,
    `artifacts` are counted, seconds added, and the largest peak is given.
    """

    stage: str
    key: str | None
    artifacts: int
    seconds: float
    share: float
    processor: float | None
    peak_memory: int | None


@dataclass(frozen=True)
class Costs:
    """All costs, dearest first, the totals of the stages likewise, and of which artifact nothing can be told, and why.

    An artifact that is stale is counted too: its receipt says what was paid for it.
    """

    artifacts: list[Cost]
    stages: list[Cost]
    untold: dict[str, str]

    @property
    def seconds(self) -> float:
        """Of all stages together, as if one had run after the other."""
        return math.fsum(cost.seconds for cost in self.stages)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "seconds": round(self.seconds, 3),
            "stages": [_plain(cost) for cost in self.stages],
            "artifacts": [_plain(cost) for cost in self.artifacts],
            "untold": self.untold,
        }


def costs(plan: Plan) -> Costs:
    """What every artifact that is there took."""
    read: dict[tuple[str, str], tuple[float, float | None, int | None]] = {}
    untold: dict[str, str] = {}
    for task in plan:
        folder = plan.root / task.folder
        try:
            if not (folder / MANIFEST).is_file():
                untold[task.name] = "not made yet"
                continue
            receipt = read_json(folder / RECEIPT)
            seconds, processor = _seconds(receipt["duration_s"]), receipt.get("processor_s")
            processor = None if processor is None else _seconds(processor)
            peak = receipt.get("peak_memory_bytes")
            if peak is not None and not (type(peak) is int and 0 <= peak < 2**63):
                raise ValueError
        except CheckFailed as error:
            untold[task.name] = str(error)
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            untold[task.name] = f"{task.folder / RECEIPT}: cannot be read as a receipt"
        else:
            read[task.stage, task.key] = (seconds, processor, peak)
    total = math.fsum(seconds for seconds, _, _ in read.values()) or 1.0
    found = [Cost(*name, 1, s, 100 * s / total, processor, peak) for name, (s, processor, peak) in read.items()]
    by_stage = [_total([cost for cost in found if cost.stage == stage]) for stage in dict.fromkeys(s for s, _ in read)]
    return Costs(_dearest(found), _dearest(by_stage), untold)


def _seconds(found: Any) -> float:
    if type(found) not in (int, float) or not 0 <= found < MOST_SECONDS:
        raise ValueError
    return float(found)


def _total(of: Sequence[Cost]) -> Cost:
    peaks = [cost.peak_memory for cost in of if cost.peak_memory is not None]
    seconds, share = math.fsum(c.seconds for c in of), math.fsum(c.share for c in of)
    used = [cost.processor for cost in of if cost.processor is not None]
    processor = math.fsum(used) if len(used) == len(of) else None
    return Cost(of[0].stage, None, len(of), seconds, share, processor, max(peaks, default=None))


def _dearest(found: Sequence[Cost]) -> list[Cost]:
    return sorted(found, key=lambda cost: (-cost.seconds, cost.stage, cost.key or ""))


def _plain(cost: Cost) -> dict[str, Any]:
    plain = asdict(cost) | {"seconds": round(cost.seconds, 3), "share": round(cost.share, 2)}
    plain["processor"] = None if cost.processor is None else round(cost.processor, 3)
    if cost.key is None:
        del plain["key"]
    else:
        del plain["artifacts"]
    return plain


def format_costs(found: Costs) -> str:
    """Lines for people: the totals of the stages, then every artifact."""
    names = [*(cost.stage for cost in found.stages), *(f"{cost.stage}/{cost.key}" for cost in found.artifacts)]
    width = max(map(len, ("total", *names)))
    lines = [f"  {'':<{width}}  {'count':>5}  {'seconds':>9}  {'share':>7}  {'processor':>9}  {'peak memory':>11}"]

    def line(name: str, cost: Cost, count: str) -> str:
        peak = "?" if cost.peak_memory is None else shown(cost.peak_memory)
        used = "?" if cost.processor is None else f"{cost.processor:.1f}"
        return f"  {name:<{width}}  {count:>5}  {cost.seconds:>9.1f}  {cost.share:>5.1f} %  {used:>9}  {peak:>11}"

    lines += [line(cost.stage, cost, str(cost.artifacts)) for cost in found.stages]
    if found.artifacts:
        lines.append(line("total", _total(found.artifacts), str(len(found.artifacts))))
    lines += ["", *(line(f"{cost.stage}/{cost.key}", cost, "") for cost in found.artifacts)]
    waiting = sum(why == "not made yet" for why in found.untold.values())
    if waiting:
        lines.append(f"not made yet: {waiting} artifacts")
    lines += [f"{name}: {why}" for name, why in found.untold.items() if why != "not made yet"]
    return "\n".join(lines)
