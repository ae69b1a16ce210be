// One box after the other over points that lie axis by axis, so that a vector unit takes eight at a time.
#include "../points_in_boxes.h"

#include "../../common/vectorise.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cmath>

namespace mx_driving {
namespace {

using at::Tensor;

template <typename scalar_t>
struct Inside {
  const scalar_t *x, *y, *z, *boxes;
  int64_t points, count;
  int* out;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    for (int64_t b = 0; b < count; ++b) {
      const scalar_t* box = boxes + b * 7;
      const scalar_t cx = box[0], cy = box[1], half_x = box[3] / 2, half_y = box[4] / 2, half_z = box[5] / 2;
      const scalar_t cz = box[2] + half_z;
      const scalar_t cos = std::cos(static_cast<double>(-box[6])), sin = std::sin(static_cast<double>(-box[6]));
      int* row = out + b * points;
      for (int64_t i = begin; i < end; ++i) {
        const scalar_t dx = x[i] - cx, dy = y[i] - cy;
        const scalar_t u = dx * cos + dy * -sin, v = dx * sin + dy * cos;
        const bool above = std::abs(z[i] - cz) > half_z; // not its opposite: a NaN is not above, as in mmcv
        row[i] = !above & (u > -half_x) & (u < half_x) & (v > -half_y) & (v < half_y);
      }
    }
  }
};

Tensor points_in_boxes_cpu(const Tensor& points, const Tensor& boxes) {
  check_points_in_boxes(points, boxes);
  const auto compute = at::toOpMathType(points.scalar_type());
  const Tensor axes = points.to(compute).t().contiguous(), own = boxes.to(compute).contiguous();
  const Tensor out = at::empty({boxes.size(0), points.size(0)}, points.options().dtype(at::kInt));
  const int64_t number = points.size(0);
  AT_DISPATCH_FLOATING_TYPES(compute, "points_in_boxes", [&] {
    const scalar_t* x = axes.data_ptr<scalar_t>();
    const Inside<scalar_t> body{x,      x + number,    x + 2 * number,     own.data_ptr<scalar_t>(),
                                number, boxes.size(0), out.data_ptr<int>()};
    parallel_vectorised(number, 1024, body);
  });
  return out;
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, CPU, m) {
  m.impl("points_in_boxes", TORCH_FN(points_in_boxes_cpu));
}

} // namespace mx_driving
