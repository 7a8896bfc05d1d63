from pathlib import Path

import pytest

from reeltrace import processor

FLAGS = {
    "haswell": "fpu sse4_1 avx fma avx2 bmi2",
    "skylake": "fpu avx fma avx2 avx512f avx512bw avx512vl",
    "zen4": "fpu avx fma avx2 avx512f avx512_vnni avx512_bf16",
    "sapphire": "fpu avx fma avx2 avx512f avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_bf16",
}


@pytest.fixture(params=FLAGS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: {request.param}\nflags\t\t: {FLAGS[request.param]}\n\n" * 2)
    return request.param, cpuinfo


@pytest.mark.parametrize(
    ("environment", "allowed"),
    [
        ({}, True),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, False),
        ({"ONEDNN_MAX_CPU_ISA": "avx512_core"}, False),
        ({"DNNL_MAX_CPU_ISA": "AVX512_CORE_VNNI"}, False),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}, True),
        ({"ONEDNN_MAX_CPU_ISA": "ALL"}, True),
        ({"ATEN_CPU_CAPABILITY": "avx2"}, True),
    ],
)
def test_bfloat16_units_are_those_that_the_processor_has_and_onednn_may_use(machine, environment, allowed):
    name, cpuinfo = machine
    assert processor.has_bfloat16_units(cpuinfo, environment) == (allowed and name in ("zen4", "sapphire"))


def test_features_are_named_in_a_fixed_order(machine):
    name, cpuinfo = machine
    assert processor.name(cpuinfo) == name
    assert processor.features(cpuinfo)[:2] == ["avx", "avx2"]
    assert ("amx_bf16" in processor.features(cpuinfo)) == (name == "sapphire")


def test_where_the_system_is_silent_nothing_is_claimed(tmp_path):
    assert processor.features(tmp_path / "none") is None
    assert not processor.has_bfloat16_units(tmp_path / "none", {})


def test_limits_are_those_of_the_environment():
    assert processor.limits({"PATH": "/bin"}) == {}
    both = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    assert processor.limits({**both, "PATH": "/bin"}) == both
