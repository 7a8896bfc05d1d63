"""R(2+1)D, as mahler2020 has it."""

from reeltrace.kinds.network import NetworkKind
from reeltrace.registry.measurements import Configured

KIND = NetworkKind(
    name="r2plus1d",
    params=Configured,
    config="reeltrace.models.r2plus1d:R2Plus1DConfig",
    net="reeltrace.models.r2plus1d:R2Plus1D",
    count="reeltrace.models.r2plus1d:count_by_arithmetic",
)
