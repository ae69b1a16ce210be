// Schema and shapes of the voxelisations; what they return has no gradient.
#include "voxelize.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::Tensor;

Tensor dynamic_voxelize_meta(const Tensor& points, at::ArrayRef<double> voxel_size, at::ArrayRef<double> coors_range) {
  check_voxelize("dynamic_voxelize", points, voxel_size, coors_range);
  return at::empty_symint(
      {points.sym_size(0), c10::SymInt(static_cast<int64_t>(voxel_size.size()))}, points.options().dtype(at::kInt));
}

void hard_voxelize_meta(
    const Tensor& points, at::ArrayRef<double> voxel_size, at::ArrayRef<double> coors_range, int64_t max_points,
    int64_t max_voxels, const Tensor& voxels, const Tensor& coors, const Tensor& counts, const Tensor& total) {
  check_hard_voxelize(points, voxels, coors, counts, total, voxel_size, coors_range);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mx_driving, m) {
  m.def("dynamic_voxelize(Tensor points, float[] voxel_size, float[] coors_range) -> Tensor");
  m.def(
      "hard_voxelize_(Tensor points, float[] voxel_size, float[] coors_range, int max_points, int max_voxels, "
      "Tensor(a!) voxels, Tensor(b!) coors, Tensor(c!) num_points_per_voxel, Tensor(d!) voxel_num) -> ()");
}

TORCH_LIBRARY_IMPL(mx_driving, Meta, m) {
  m.impl("dynamic_voxelize", TORCH_FN(dynamic_voxelize_meta));
  m.impl("hard_voxelize_", TORCH_FN(hard_voxelize_meta));
}

TORCH_LIBRARY_IMPL(mx_driving, Autograd, m) {
  m.impl("dynamic_voxelize", torch::autograd::autogradNotImplementedFallback());
  m.impl("hard_voxelize_", torch::autograd::autogradNotImplementedFallback());
}

} // namespace mx_driving
