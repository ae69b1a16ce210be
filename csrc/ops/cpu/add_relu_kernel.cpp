// add_relu on the CPU: one pass over memory instead of the two of relu(x + y).
#include "../add_relu.h"

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
  const scalar_t *x, *y;
  scalar_t* out;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    using compute_t = at::opmath_type<scalar_t>;
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const compute_t sum = static_cast<compute_t>(x[i]) + static_cast<compute_t>(y[i]);
      out[i] = static_cast<scalar_t>(sum < 0 ? compute_t(0) : sum); // written this way round, NaN stays NaN
    }
  }
};

Tensor add_relu_cpu(const Tensor& x, const Tensor& y) {
  const Tensor out = empty_add_relu(x, y);
  // The same memory order in all three makes the operands plain arrays; where they already are, nothing is copied.
  const auto format = out.suggest_memory_format();
  const auto arrange = [&](const Tensor& t) { return t.to(out.scalar_type()).expand(out.sizes()).contiguous(format); };
  const Tensor a = arrange(x), b = arrange(y);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, out.scalar_type(), "add_relu", [&] {
    const AddRelu<scalar_t> body{a.data_ptr<scalar_t>(), b.data_ptr<scalar_t>(), out.data_ptr<scalar_t>()};
    parallel_vectorised(out.numel(), kGrain, body);
  });
  return out;
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, CPU, m) {
  m.impl("add_relu", TORCH_FN(add_relu_cpu));
}

} // namespace mx_driving
