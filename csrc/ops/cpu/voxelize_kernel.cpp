// Voxels of points in one pass, by a table of the voxels that were hit: no memory for the grid, whatever its size.
#include "../voxelize.h"

#include "../../common/vectorise.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>

namespace mx_driving {
namespace {

using at::Tensor;

template <typename scalar_t>
struct Cells {
  using math_t = at::opmath_type<scalar_t>;

  const scalar_t* points;
  int64_t columns, dims;
  const math_t *low, *size, *limit; // the limit is a whole number
  int* coors;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      bool inside = true;
      for (int64_t axis = 0; axis < dims; ++axis) {
        const math_t cell = std::floor((static_cast<math_t>(points[i * columns + axis]) - low[axis]) / size[axis]);
        const bool fits = cell >= 0 && cell < limit[axis]; // false for NaN
        inside = inside && fits;
        coors[i * dims + dims - 1 - axis] = fits ? static_cast<int>(cell) : -1;
      }
      for (int64_t axis = 0; axis < dims && !inside; ++axis) coors[i * dims + axis] = -1;
    }
  }
};

// Number of cells along an axis: in float32, whatever the points are, rounded half away from zero.
int64_t extent(double low, double high, double size) {
  return std::llround((static_cast<float>(high) - static_cast<float>(low)) / static_cast<float>(size));
}

Tensor dynamic_voxelize_cpu(const Tensor& points, at::ArrayRef<double> voxel_size, at::ArrayRef<double> coors_range) {
  check_voxelize("dynamic_voxelize", points, voxel_size, coors_range);
  const int64_t dims = voxel_size.size();
  const Tensor input = points.contiguous();
  const Tensor coors = at::empty({points.size(0), dims}, points.options().dtype(at::kInt));
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, points.scalar_type(), "dynamic_voxelize", [&] {
    using math_t = at::opmath_type<scalar_t>;
    std::vector<math_t> low, size, limit;
    for (int64_t axis = 0; axis < dims; ++axis) {
      low.push_back(static_cast<float>(coors_range[axis]));
      size.push_back(static_cast<float>(voxel_size[axis]));
      limit.push_back(extent(coors_range[axis], coors_range[dims + axis], voxel_size[axis]));
    }
    const Cells<scalar_t> body{input.data_ptr<scalar_t>(), points.size(1), dims, low.data(), size.data(), limit.data(),
                               coors.data_ptr<int>()};
    parallel_vectorised(points.size(0), 8192, body);
  });
  return coors;
}

// The voxel of each cell: a table of all cells where that is small, else open addressing with twice as many places as
// points.
class VoxelTable {
 public:
  VoxelTable(int64_t points, int64_t cells) {
    if (cells <= 4 * points + (1 << 16)) {
      all_.assign(std::max<int64_t>(cells, 0), -1);
      return;
    }
    while ((int64_t(1) << bits_) < 2 * points) ++bits_;
    places_.assign(int64_t(1) << bits_, {-1, -1});
  }

  // The voxel of a cell's number, -1 if it has none yet; the caller writes it there.
  int& find(int64_t code) {
    if (!all_.empty()) return all_[code];
    const uint64_t mask = places_.size() - 1;
    uint64_t place = (static_cast<uint64_t>(code) * 0x9E3779B97F4A7C15ull) >> (64 - bits_);
    while (places_[place].code != -1 && places_[place].code != code) place = (place + 1) & mask;
    places_[place].code = code;
    return places_[place].voxel;
  }

 private:
  struct Place {
    int64_t code;
    int voxel;
  };
  int bits_ = 4;
  std::vector<int> all_;
  std::vector<Place> places_;
};

void hard_voxelize_cpu(
    const Tensor& points, at::ArrayRef<double> voxel_size, at::ArrayRef<double> coors_range, int64_t max_points,
    int64_t max_voxels, const Tensor& voxels, const Tensor& coors, const Tensor& counts, const Tensor& total) {
  check_hard_voxelize(points, voxels, coors, counts, total, voxel_size, coors_range);
  const int64_t dims = voxel_size.size(), number = points.size(0), columns = points.size(1), slots = voxels.size(1);
  TORCH_CHECK(
      voxels.is_contiguous() && coors.is_contiguous() && counts.is_contiguous() && max_points <= voxels.size(1) &&
          max_voxels <= voxels.size(0),
      "hard_voxelize_: the tensors to write must be contiguous and hold max_voxels voxels of max_points points, got ",
      voxels.sizes(), " for ", max_voxels, " of ", max_points);
  const int64_t most = max_voxels < 0 ? voxels.size(0) : max_voxels;
  const int64_t room = max_points < 0 ? voxels.size(1) : max_points;
  const Tensor cells = dynamic_voxelize_cpu(points, voxel_size, coors_range), input = points.contiguous();
  const int* cell = cells.data_ptr<int>();
  int *coor = coors.data_ptr<int>(), *count = counts.data_ptr<int>();
  std::vector<int64_t> extents;
  int64_t volume = 1;
  for (int64_t axis = dims - 1; axis >= 0; --axis)
    volume *= extents.emplace_back(extent(coors_range[axis], coors_range[dims + axis], voxel_size[axis]));
  VoxelTable table(number, volume);
  int found = 0;
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, points.scalar_type(), "hard_voxelize_", [&] {
    const scalar_t* source = input.data_ptr<scalar_t>();
    scalar_t* target = voxels.data_ptr<scalar_t>();
    for (int64_t i = 0; i < number; ++i) {
      if (cell[i * dims] < 0) continue;
      int64_t code = 0;
      for (int64_t axis = 0; axis < dims; ++axis) code = code * extents[axis] + cell[i * dims + axis];
      int& voxel = table.find(code);
      if (voxel < 0) {
        if (found >= most) continue;
        voxel = found++;
        std::copy_n(cell + i * dims, dims, coor + voxel * dims);
        count[voxel] = 0;
      }
      if (count[voxel] < room)
        std::copy_n(source + i * columns, columns, target + (voxel * slots + count[voxel]++) * columns);
    }
  });
  total.fill_(found);
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, CPU, m) {
  m.impl("dynamic_voxelize", TORCH_FN(dynamic_voxelize_cpu));
  m.impl("hard_voxelize_", TORCH_FN(hard_voxelize_cpu));
}

} // namespace mx_driving
