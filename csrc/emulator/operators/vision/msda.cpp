// Multi-scale deformable attention, by its definition (Deformable DETR, arXiv 2010.04159) and CANN's shapes.
#include "emulator/operator.h"
#include "emulator/operators/vision/bilinear.h"

namespace emulator::operators {

// value [B, S, M, D], locations [B, Q, M, L, P, 2] as (x, y) in [0, 1], weights [B, Q, M, L, P] -> [B, Q, M * D]
static at::Tensor attend(const at::Tensor& value, const at::Tensor& shapes, const at::Tensor& starts,
                         const at::Tensor& locations, const at::Tensor& weights) {
  const auto batch = value.size(0), heads = value.size(2), depth = value.size(3);
  const auto queries = locations.size(1), levels = locations.size(3), points = locations.size(4);
  const auto per_head = value.permute({0, 2, 3, 1}).reshape({batch * heads, depth, -1});
  const auto place = locations.permute({0, 2, 3, 1, 4, 5}).reshape({batch * heads, levels, queries * points, 2});
  const auto weight = weights.permute({0, 2, 3, 1, 4}).reshape({batch * heads, 1, levels, queries, points});
  auto sum = at::zeros({batch * heads, depth, queries}, value.options());
  for (int64_t level = 0; level < levels; ++level) {
    const auto height = shapes[level][0].item<int64_t>(), width = shapes[level][1].item<int64_t>();
    const auto start = starts[level].item<int64_t>();
    const auto x = per_head.slice(2, start, start + height * width);
    const auto column = place.select(1, level).select(-1, 0) * width - 0.5;
    const auto row = place.select(1, level).select(-1, 1) * height - 0.5;
    const auto samples = bilinear(x, row, column, height, width).view({batch * heads, depth, queries, points});
    sum = sum + (samples * weight.select(2, level)).sum(-1);
  }
  return sum.view({batch, heads, depth, queries}).permute({0, 3, 1, 2}).reshape({batch, queries, heads * depth});
}

// What CANN refuses, from CheckShape and CheckDtypeValid of both operators in ops-nn (vfusion).
static void check_attention(const at::Tensor& value, const at::Tensor& shapes, const at::Tensor& starts,
                            const at::Tensor& locations, const at::Tensor& weights) {
  const auto floating = value.scalar_type();
  TORCH_CHECK(floating == at::kFloat || floating == at::kHalf || floating == at::kBFloat16, "dtype of value: ", floating);
  TORCH_CHECK(value.dim() == 4 && shapes.dim() == 2 && shapes.size(1) == 2 && starts.dim() == 1 &&
                  locations.dim() == 6 && locations.size(5) == 2 && weights.dim() == 5,
              "number of dimensions");
  TORCH_CHECK(value.size(3) % 8 == 0 && value.size(3) <= 256 && value.size(2) <= 16, "channels or heads: ", value.sizes());
  TORCH_CHECK(locations.size(1) < 500000 && locations.size(3) <= 16 && locations.size(4) <= 16,
              "queries, levels or points: ", locations.sizes());
}

static at::Tensor attend_forward(In value, In shapes, In starts, In locations, In weights) {
  check_attention(value, shapes, starts, locations, weights);
  TORCH_CHECK(locations().size(1) >= 32, "queries: ", locations().size(1));
  return attend(value, shapes, starts, locations, weights);
}

static void attend_backward(In value, In shapes, In starts, In locations, In weights, In grad, Out grad_value,
                            Out grad_locations, Out grad_weights) {
  check_attention(value, shapes, starts, locations, weights);
  TORCH_CHECK(grad().dim() == 3, "gradOutput must be [B, Q, M * D], got ", grad().sizes());
  const auto shape = shapes(), start = starts();
  const auto body = [&](const std::vector<at::Tensor>& inputs) { 
    return attend(inputs[0], shape, start, inputs[1], inputs[2]);
  };
  const auto gradients = differentiate(body, {value(), locations(), weights()}, grad());
  grad_value = gradients[0];
  grad_locations = gradients[1];
  grad_weights = gradients[2];
}

OPERATOR(aclnnMultiScaleDeformableAttnFunction,
         (In value, In shapes, In starts, In locations, In weights, Out out),
         out = attend_forward(value, shapes, starts, locations, weights))
OPERATOR(aclnnMultiScaleDeformableAttentionGrad,
         (In value, In shapes, In starts, In locations, In weights, In grad, Out grad_value, Out grad_locations,
          Out grad_weights),
         attend_backward(value, shapes, starts, locations, weights, grad, grad_value, grad_locations, grad_weights))

}  // namespace emulator::operators
