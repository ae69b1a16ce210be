"""The operators on ``npu:0`` through CANN's kernels (emulated), through the composite, and with the kernels missing."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess

import pytest
from adapter_cases import CASES, HALF, OTHERS
from conftest import HERE, read_counts

SCRIPT = HERE / "adapter_cases.py"
TOLERANCE = 1e-5
ATTENTION = ("aclnn aclnnMultiScaleDeformableAttnFunction", "aclnn aclnnMultiScaleDeformableAttentionGrad")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mx_driving._operators_npu") is None,
    reason="mx_driving._operators_npu is not built: torch_npu was not installed when mx_driving was",
)
# What libtorch_npu.so exports alike in 2.1.0, 2.3.1, 2.4.0, 2.5.1, 2.6.0, 2.7.1, 2.8.0, 2.9.0 and 2.10.0 to 2.14.0, by
# nm on the wheels of PyPI; the sources were compiled against 2.1.0, 2.4.0, 2.7.1, 2.10.0, 2.13.0 and 2.14.0.
IN_EVERY_TORCH_NPU = {
    "at_npu::native::OpCommand::Name",
    "at_npu::native::OpCommand::OpCommand",
    "at_npu::native::OpCommand::Run",
    "at_npu::native::OpCommand::SetCustomHandler",
    "at_npu::native::get_npu_format",
    "at_npu::native::npu_format_cast",
    "c10_npu::NPUStream::stream",
    "c10_npu::c10_npu_get_error_message",
    "c10_npu::getCurrentNPUStream",
}


def errors_of(done):
    assert done.returncode == 0, done.stderr[-3000:]
    words = [line.split() for line in done.stdout.splitlines()]
    pairs = [pair for pair in words if pair and pair[0] in {**CASES, **HALF, **OTHERS}]
    return {name: float(error) for name, error in pairs}


@pytest.fixture(scope="module", params=["Ascend910B1", "Ascend950PR_9599"])
def outcome(request, emulate, tmp_path_factory):
    """Both routes of torch_npu: aclop DeformableOffsets on the first chip, aclnnDeformableConv2d on the second."""
    counts = tmp_path_factory.mktemp("counts") / "counts"
    done = emulate("--soc", request.param, "--count", counts, script=[SCRIPT])
    return request.param, errors_of(done), read_counts(counts), done.stderr


def test_every_adapter_agrees_with_the_cpu(outcome):
    _, errors, _, _ = outcome
    assert set(errors) == set(CASES)
    assert {name: error for name, error in errors.items() if error > TOLERANCE} == {}


def test_the_kernels_of_cann_were_called(outcome):
    chip, _, counts, _ = outcome
    convolutions, pools = (sum(word in name for name in CASES) for word in ("dcn", "max_pool2d"))
    # msda, msda_levels_swapped and the forward of msda_nan; the other cases are outside of the published limits.
    assert [counts[name] for name in ATTENTION] == [3, 2]
    if chip == "Ascend910B1":
        # Forward, and once more in the backward for its samples.
        assert counts["aclop DeformableOffsets"] == 2 * convolutions
        assert counts["aclop DeformableOffsetsGrad"] == convolutions
        assert counts["aclnn aclnnMaxPool2dWithMask"] == pools
    else:
        assert counts["aclnn aclnnDeformableConv2d"] == 2 * convolutions
        assert counts["aclnn aclnnDeformableConv2dBackward"] == convolutions
        assert counts["aclnn aclnnMaxPool2dWithIndicesBackward"] == pools


def test_the_composite_is_announced_once(outcome):
    message = "ms_deform_attn runs as a composite of torch operators: queries must be 32 to 499999, got 5"
    assert outcome[3].count("runs as a composite") == 1
    assert message in outcome[3]


def test_without_the_kernels_the_composite_serves(emulate, tmp_path):
    done = emulate(
        "--count", tmp_path / "c", "--without", "aclnnMultiScaleDeformableAttentionGrad", script=[SCRIPT, "msda"]
    )
    assert errors_of(done)["msda"] <= TOLERANCE
    assert "this CANN has no aclnnMultiScaleDeformableAttnFunction with its gradient" in done.stderr
    assert not set(ATTENTION) & set(read_counts(tmp_path / "c"))


def test_tensors_of_another_device_than_the_current_one(emulate):
    """As scripts of mmcv 1.x with --gpu-id leave it. The emulator refuses one device's memory on another's stream."""
    errors = errors_of(emulate("--devices", 2, script=[SCRIPT, "npu:1"]))
    assert set(errors) == set(CASES)
    assert max(errors.values()) <= TOLERANCE


def test_private_formats_are_cast_before_attention(emulate, tmp_path):
    done = emulate("--count", tmp_path / "c", script=[SCRIPT, "private_msda"])
    assert errors_of(done)["private_msda"] <= TOLERANCE
    counts = read_counts(tmp_path / "c")
    assert [counts[name] for name in ATTENTION] == [1, 1]
    assert counts["aclop Identity"] == 3  # the case casts once; the forward and the backward cast back


def test_half_precision(emulate):
    """What autocast hands over, against single precision on the CPU: within float16's own rounding."""
    errors = errors_of(emulate(script=[SCRIPT, *HALF]))
    assert set(errors) == set(HALF)
    assert {name: error for name, error in errors.items() if error > 5e-3} == {}


@pytest.mark.parametrize(
    ("operator", "case"),
    [
        ("aclnnMultiScaleDeformableAttnFunction", "msda"),
        ("aclnnMultiScaleDeformableAttentionGrad", "msda"),
        ("aclnnMultiScaleDeformableAttnFunction@run", "msda"),
        ("DeformableOffsets", "mdcn"),
        ("DeformableOffsetsGrad", "dcn"),
        ("aclnnAdd", "add_relu"),
        ("aclnnMaxPool2dWithMask", "max_pool2d"),
    ],
)
def test_a_failing_kernel_reaches_the_user_by_name(emulate, operator, case):
    done = emulate("--fail", operator, script=[SCRIPT, case])
    assert done.returncode == 1
    assert f"{operator.split('@')[0]} fails with" in done.stderr


@pytest.mark.skipif(shutil.which("nm") is None, reason="nm (binutils) is not installed")
def test_the_kernels_call_only_what_every_torch_npu_exports():
    library = importlib.util.find_spec("mx_driving._operators_npu").origin
    listed = subprocess.run(["nm", "-DCu", library], capture_output=True, text=True, check=True).stdout
    called = set(
        re.findall(r" U ((?:at_npu|c10_npu|torch_npu|op_plugin|acl_op)::[\w:]+|[A-Z]\w*ExecCommonCtx)", listed)
    )
    assert called == IN_EVERY_TORCH_NPU


def test_levels_that_do_not_fit_are_refused(emulate):
    code = (
        "import torch, torch_npu; from mx_driving import ops; shapes = torch.tensor([[6, 8], [3, 4]]).npu();"
        "starts, weights = torch.tensor([0, 48]).npu(), torch.rand(1, 5, 2, 2, 4).npu();"
        "locations = torch.rand(1, 5, 2, 2, 4, 2).npu();"
        "ops.ms_deform_attn(torch.randn(1, 59, 2, 8).npu(), shapes, starts, locations, weights)"
    )
    done = emulate(script=["-c", code])
    assert done.returncode == 1
    assert "S of value must be the sum of H * W over spatial_shapes, 60, got 59" in done.stderr


def test_bad_arguments_are_checked_by_the_shared_checks(emulate):
    code = (
        "import torch, torch_npu; from mx_driving import ops;"
        "shapes = (1, 4, 5, 5), (1, 18, 3, 3), (1, 8, 3, 3), (6, 4, 3, 3);"
        "ops.modulated_deform_conv2d(*(torch.ones(shape).npu() for shape in shapes))"
    )
    done = emulate(script=["-c", code])
    assert done.returncode == 1
    assert "modulated_deform_conv2d: mask must be [N, deform_groups * kh * kw, Ho, Wo]" in done.stderr
