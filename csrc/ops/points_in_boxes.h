// Checks of ``points_in_boxes``.
#pragma once

#include "../common/checks.h"

namespace mx_driving {

inline void check_points_in_boxes(const at::Tensor& points, const at::Tensor& boxes) {
  check_floating("points_in_boxes", "points", points);
  check_like("points_in_boxes", "boxes", boxes, "points", points);
  check_shape("points_in_boxes", "points", points, {points.sym_size(0), 3}, "[N, 3]");
  check_shape("points_in_boxes", "boxes", boxes, {boxes.sym_size(0), 7}, "[M, 7]");
}

} // namespace mx_driving
