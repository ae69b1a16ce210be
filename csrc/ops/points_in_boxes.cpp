// Schema and shapes of ``points_in_boxes``: which boxes hold which points; it has no gradient.
#include "points_in_boxes.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

at::Tensor points_in_boxes_meta(const at::Tensor& points, const at::Tensor& boxes) {
  check_points_in_boxes(points, boxes);
  return at::empty_symint({boxes.sym_size(0), points.sym_size(0)}, points.options().dtype(at::kInt));
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mx_driving, m) {
  m.def("points_in_boxes(Tensor points, Tensor boxes) -> Tensor");
}

TORCH_LIBRARY_IMPL(mx_driving, Meta, m) {
  m.impl("points_in_boxes", TORCH_FN(points_in_boxes_meta));
}

TORCH_LIBRARY_IMPL(mx_driving, Autograd, m) {
  m.impl("points_in_boxes", torch::autograd::autogradNotImplementedFallback());
}

} // namespace mx_driving
