from pathlib import Path

import pytest

from conftest import refusal
from reeltrace.machine import processor

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


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ONEDNN_MAX_CPU_ISA", "banana", "SSE41, AVX, AVX2, "),
        ("DNNL_MAX_CPU_ISA", "AVX-2", "AVX512_CORE_BF16, "),
        ("ATEN_CPU_CAPABILITY", "banana", "default, avx2, avx512"),
        ("ATEN_CPU_CAPABILITY", "AVX2", "in lower case"),
    ],
)
def test_a_limit_that_the_libraries_would_ignore_is_refused(machine, variable, value, expected):
    message = refusal(processor.check_limits, {variable: value}, machine[1], "x86_64")
    assert message.startswith(f"{variable}: found '{value}'")
    assert expected in message
    processor.check_limits({variable: value}, machine[1], "aarch64")


@pytest.mark.parametrize("value", ["AVX2", "avx512_core", "AVX10_2_512", "ALL", "default", ""])
def test_onednn_reads_upper_and_lower_case(machine, value):
    processor.check_limits({"ONEDNN_MAX_CPU_ISA": value, "ATEN_CPU_CAPABILITY": "avx2"}, machine[1], "x86_64")


def test_a_capability_that_the_processor_has_not_is_refused(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"flags\t\t: {FLAGS['haswell']}\n")
    message = refusal(processor.check_limits, {"ATEN_CPU_CAPABILITY": "avx512"}, cpuinfo, "x86_64")
    assert "this processor has no avx512f" in message
