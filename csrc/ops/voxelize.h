// Checks and grid of the voxelisations: ``dynamic_voxelize`` and ``hard_voxelize_``.
#pragma once

#include "../common/checks.h"

#include <cmath>
#include <vector>

namespace mx_driving {

inline void check_voxelize(
    const char* op, const at::Tensor& points, at::ArrayRef<double> voxel_size, at::ArrayRef<double> coors_range) {
  check_floating(op, "points", points);
  check_dim(op, "points", points, 2, "[N, C]");
  TORCH_CHECK(
      !voxel_size.empty() && coors_range.size() == 2 * voxel_size.size(), op,
      ": coors_range must have two numbers for each of voxel_size, got ", coors_range.size(), " and ",
      voxel_size.size());
  TORCH_CHECK(
      points.sym_size(1) >= static_cast<int64_t>(voxel_size.size()), op, ": points must have at least ",
      voxel_size.size(), " columns, got ", points.sym_size(1));
}

inline void check_hard_voxelize(
    const at::Tensor& points, const at::Tensor& voxels, const at::Tensor& coors, const at::Tensor& counts,
    const at::Tensor& total, at::ArrayRef<double> voxel_size, at::ArrayRef<double> coors_range) {
  const char* op = "hard_voxelize_";
  check_voxelize(op, points, voxel_size, coors_range);
  check_like(op, "voxels", voxels, "points", points);
  check_dim(op, "voxels", voxels, 3, "[V, max_points, C]");
  const c10::SymInt dims(static_cast<int64_t>(voxel_size.size()));
  check_shape(op, "coors", coors, {voxels.sym_size(0), dims}, "[V, D]");
  check_shape(op, "num_points_per_voxel", counts, {voxels.sym_size(0)}, "[V]");
  TORCH_CHECK(
      voxels.sym_size(2) == points.sym_size(1), op, ": voxels must have the columns of points, ", points.sym_size(1),
      ", got ", voxels.sym_size(2));
  TORCH_CHECK(
      coors.scalar_type() == at::kInt && counts.scalar_type() == at::kInt && total.scalar_type() == at::kLong, op,
      ": coors and num_points_per_voxel must be Int and voxel_num Long, got ", coors.scalar_type(), ", ",
      counts.scalar_type(), ", ", total.scalar_type());
}

} // namespace mx_driving
