"""SlowFast, as mahler2020 has it."""

from reeltrace.kinds.network import NetworkKind
from reeltrace.registry.measurements import Configured

KIND = NetworkKind(
    name="slowfast",
    params=Configured,
    config="reeltrace.models.slowfast:SlowFastConfig",
    net="reeltrace.models.slowfast:SlowFast",
    count="reeltrace.models.slowfast:count_by_arithmetic",
)
