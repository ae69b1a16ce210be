// add_relu_ on the CPU: one pass over memory instead of two.
#include "../../common/vectorise.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::Tensor;

constexpr int64_t kGrain = 32768; // below this a second thread costs more than it brings

template <typename scalar_t>
struct AddRelu {
  scalar_t* x;
  const scalar_t* y;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    using compute_t = at::opmath_type<scalar_t>;
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      // Rounded before it is compared, as the two steps do; written this way round, NaN stays NaN.
      const scalar_t sum = static_cast<scalar_t>(static_cast<compute_t>(x[i]) + static_cast<compute_t>(y[i]));
      x[i] = static_cast<compute_t>(sum) < 0 ? scalar_t(0) : sum;
    }
  }
};

void add_relu_in_place_cpu(const Tensor& x, const Tensor& y) {
  // Two arrays of one layout, apart or the same, are walked as they lie; for anything else torch knows the order.
  const bool plain = x.is_non_overlapping_and_dense() && x.strides() == y.strides();
  if (!plain || (x.storage().is_alias_of(y.storage()) && x.storage_offset() != y.storage_offset())) {
    x.add_(y).relu_();
    return;
  }
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, x.scalar_type(), "add_relu_", [&] {
    const AddRelu<scalar_t> body{x.data_ptr<scalar_t>(), y.const_data_ptr<scalar_t>()};
    parallel_vectorised(x.numel(), kGrain, body);
  });
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, CPU, m) {
  m.impl("add_relu_", TORCH_FN(add_relu_in_place_cpu));
}

} // namespace mx_driving
