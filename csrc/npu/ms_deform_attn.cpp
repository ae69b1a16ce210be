// Multi-scale deformable attention on an NPU: CANN's kernel where its published limits allow, else the composite.
#include "aclnn.h"
#include "common.h"
#include "ms_deform_attn_composite.h"

#include "../ops/ms_deform_attn.h"

namespace mx_driving {
namespace npu {
namespace {

using at::Tensor;

// The limits of aclnnMultiScaleDeformableAttnFunction and ...Grad on the Atlas A2 and A3 series, from the operators'
// descriptions in ops-nn (vfusion/multi_scale_deformable_attn_function).
constexpr int64_t kDepthStep = 8, kMaxDepth = 256, kMaxHeads = 16, kMaxLevels = 16, kMaxPoints = 16;
constexpr int64_t kMinQueries = 32, kMaxQueries = 500000;

const AclnnOperator& forward_kernel() {
  static const AclnnOperator op("aclnnMultiScaleDeformableAttnFunction");
  return op;
}
const AclnnOperator& backward_kernel() {
  static const AclnnOperator op("aclnnMultiScaleDeformableAttentionGrad");
  return op;
}

// Why CANN's kernel cannot take this call; empty if it can. Forward and backward must agree, so both ask this.
std::string reason_for_composite(const Tensor& value, const Tensor& locations) {
  const auto heads = value.size(2), depth = value.size(3);
  const auto queries = locations.size(1), levels = locations.size(3), points = locations.size(4);
  if (value.scalar_type() != at::kFloat) return c10::str("dtype must be float32 or half, got ", value.scalar_type());
  if (!forward_kernel() || !backward_kernel())
    return "this CANN has no aclnnMultiScaleDeformableAttnFunction with its gradient";
  if (depth % kDepthStep != 0 || depth > kMaxDepth)
    return c10::str("channels per head must be a multiple of 8 and at most 256, got ", depth);
  if (queries < kMinQueries || queries >= kMaxQueries) return c10::str("queries must be 32 to 499999, got ", queries);
  if (heads > kMaxHeads || levels > kMaxLevels || points > kMaxPoints)
    return c10::str("heads, levels and points must be at most 16, got ", heads, ", ", levels, ", ", points);
  return "";
}

bool use_composite(const Tensor& value, const Tensor& locations) {
  const auto reason = reason_for_composite(value, locations);
  if (!reason.empty()) TORCH_WARN_ONCE("mx_driving::ms_deform_attn runs as a composite of torch operators: ", reason);
  return !reason.empty();
}

// Pixel positions of half precision are off by up to a tenth of a pixel in a row of 200: so half inputs are widened.
bool is_half(const Tensor& value) {
  return value.scalar_type() == at::kHalf || value.scalar_type() == at::kBFloat16;
}

Tensor wide(const Tensor& tensor) {
  return tensor.to(at::kFloat);
}

Tensor forward(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights) {
  check_ms_deform_attn(value, shapes, starts, locations, weights);
  const std::vector<int64_t> size{value.size(0), locations.size(1), value.size(2) * value.size(3)};
  if (value.numel() == 0 || locations.numel() == 0) return at::zeros(size, value.options());
  const c10::OptionalDeviceGuard guard(value.device());
  if (is_half(value))
    return forward(wide(value), shapes, starts, wide(locations), wide(weights)).to(value.scalar_type());
  if (use_composite(value, locations)) return composite_forward({value, shapes, starts, locations, weights});
  const auto output = at::empty(size, value.options());
  run_aclnn(forward_kernel(), value, shapes, starts, locations, weights, output);
  return output;
}

std::tuple<Tensor, Tensor, Tensor> backward(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights,
    const Tensor& grad_output) {
  check_ms_deform_attn_backward(value, shapes, starts, locations, weights, grad_output);
  const c10::OptionalDeviceGuard guard(value.device());
  const auto zeros = [](const Tensor& t) { return at::zeros(t.sizes(), t.options()); };
  if (value.numel() == 0 || locations.numel() == 0) return {zeros(value), zeros(locations), zeros(weights)};
  if (is_half(value)) {
    const auto [grad_value, grad_locations, grad_weights] =
        backward(wide(value), shapes, starts, wide(locations), wide(weights), wide(grad_output));
    const auto dtype = value.scalar_type();
    return {grad_value.to(dtype), grad_locations.to(dtype), grad_weights.to(dtype)};
  }
  if (use_composite(value, locations))
    return composite_backward({value, shapes, starts, locations, weights}, grad_output);
  // The kernel adds into its outputs.
  const auto grad_value = zeros(value), grad_locations = zeros(locations), grad_weights = zeros(weights);
  run_aclnn(
      backward_kernel(), value, shapes, starts, locations, weights, grad_output.contiguous(), grad_value,
      grad_locations, grad_weights);
  return {grad_value, grad_locations, grad_weights};
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, PrivateUse1, m) {
  m.impl("ms_deform_attn", TORCH_FN(forward));
  m.impl("ms_deform_attn_backward", TORCH_FN(backward));
}

} // namespace npu
} // namespace mx_driving
