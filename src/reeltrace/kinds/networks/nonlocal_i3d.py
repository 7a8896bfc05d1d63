"""The non-local I3D, as mahler2020 has it."""

from reeltrace.kinds.network import NetworkKind
from reeltrace.registry.measurements import Configured

KIND = NetworkKind(
    name="nonlocal_i3d",
    params=Configured,
    config="reeltrace.models.nonlocal_i3d:NonLocalI3DConfig",
    net="reeltrace.models.nonlocal_i3d:NonLocalI3D",
    count="reeltrace.models.nonlocal_i3d:count_by_arithmetic",
)
