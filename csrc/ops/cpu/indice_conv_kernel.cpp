// Tap by tap: rows are gathered, multiplied by the tap's matrix, and added to their outputs. Within a tap no output row
// occurs twice, so threads share the rows and the sums do not depend on how many there are.
#include "../indice_conv.h"

#include "../../common/vectorise.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <tuple>

namespace mx_driving {
namespace {

using at::Tensor;

constexpr int64_t GRAIN = 16384; // numbers that are worth a thread

template <typename scalar_t>
struct Gather {
  const scalar_t* source;
  const int* rows;
  int64_t columns;
  scalar_t* out;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t c = 0; c < columns; ++c) out[i * columns + c] = source[rows[i] * columns + c];
  }
};

template <typename scalar_t>
struct Add {
  const scalar_t* values;
  const int* rows;
  int64_t columns;
  scalar_t* out;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t c = 0; c < columns; ++c) out[rows[i] * columns + c] += values[i * columns + c];
  }
};

template <template <typename> class Body>
void each_row(const Tensor& from, const int* rows, int64_t count, const Tensor& to) {
  const int64_t columns = from.size(1), grain = std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, columns));
  AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "indice_conv", [&] {
    const Body<scalar_t> body{from.data_ptr<scalar_t>(), rows, columns, to.data_ptr<scalar_t>()};
    parallel_vectorised(count, grain, body);
  });
}

// What both passes need: tensors in the type of computation, and the rows of each tap, checked.
struct Taps {
  Tensor features, weights, pairs, counts;
  int64_t centre = -1; // tap that pairs each row with itself
  int64_t most = 0;    // pairs of the largest tap but the centre
  bool inverse;

  Taps(
      const Tensor& input, const Tensor& matrices, const Tensor& indice_pairs, const Tensor& numbers, int64_t rows,
      bool inverse_, bool subm)
      : inverse(inverse_) {
    check_indice_conv(input, matrices, indice_pairs, numbers);
    const auto compute = at::toOpMathType(input.scalar_type());
    features = input.to(compute).contiguous();
    weights = matrices.to(compute).contiguous();
    pairs = indice_pairs.contiguous();
    counts = numbers.contiguous();
    if (subm && size() % 2) centre = size() / 2;
    for (int64_t tap = 0; tap < size(); ++tap) {
      TORCH_CHECK(
          count(tap) >= 0 && count(tap) <= pairs.size(2), "indice_conv: indice_pair_num must lie in 0..", pairs.size(2),
          ", got ", count(tap));
      if (tap == centre) continue;
      most = std::max(most, count(tap));
      check_rows(source(tap), count(tap), features.size(0));
      check_rows(target(tap), count(tap), rows);
    }
    TORCH_CHECK(
        centre < 0 || rows == features.size(0),
        "indice_conv: a submanifold convolution has as many outputs as inputs, ", features.size(0), ", got ", rows);
  }

  int64_t size() const {
    return pairs.size(0);
  }
  int64_t count(int64_t tap) const {
    return counts.data_ptr<int>()[tap];
  }
  const int* source(int64_t tap) const {
    return pairs.data_ptr<int>() + (2 * tap + inverse) * pairs.size(2);
  }
  const int* target(int64_t tap) const {
    return pairs.data_ptr<int>() + (2 * tap + !inverse) * pairs.size(2);
  }

  static void check_rows(const int* rows, int64_t count, int64_t total) {
    for (int64_t i = 0; i < count; ++i)
      TORCH_CHECK(
          rows[i] >= 0 && rows[i] < total, "indice_conv: indice_pairs must lie in 0..", total - 1, ", got ", rows[i]);
  }
};

Tensor forward_cpu(
    const Tensor& features, const Tensor& weights, const Tensor& pairs, const Tensor& numbers, int64_t rows,
    bool inverse, bool subm) {
  const Taps taps(features, weights, pairs, numbers, rows, inverse, subm);
  const auto options = taps.features.options();
  Tensor out = at::empty({0}, options);
  if (taps.centre >= 0)
    out = at::mm(taps.features, taps.weights[taps.centre]);
  else
    out = at::zeros({rows, weights.size(2)}, options);
  const Tensor gathered = at::empty({taps.most, features.size(1)}, options);
  const Tensor products = at::empty({taps.most, weights.size(2)}, options);
  for (int64_t tap = 0; tap < taps.size(); ++tap) {
    const int64_t count = taps.count(tap);
    if (tap == taps.centre || count == 0) continue;
    each_row<Gather>(taps.features, taps.source(tap), count, gathered);
    Tensor part = products.narrow(0, 0, count);
    at::mm_out(part, gathered.narrow(0, 0, count), taps.weights[tap]);
    each_row<Add>(products, taps.target(tap), count, out);
  }
  return out.to(features.scalar_type());
}

std::tuple<Tensor, Tensor> backward_cpu(
    const Tensor& grad, const Tensor& features, const Tensor& weights, const Tensor& pairs, const Tensor& numbers,
    bool inverse, bool subm) {
  const Taps taps(features, weights, pairs, numbers, grad.size(0), inverse, subm);
  const auto options = taps.features.options();
  const Tensor flow = grad.to(options).contiguous();
  Tensor grad_weights = at::zeros(weights.sizes(), options), grad_features = at::empty({0}, options);
  if (taps.centre >= 0) {
    grad_features = at::mm(flow, taps.weights[taps.centre].t());
    Tensor part = grad_weights[taps.centre];
    at::mm_out(part, taps.features.t(), flow);
  } else {
    grad_features = at::zeros(features.sizes(), options);
  }
  const Tensor gathered = at::empty({taps.most, features.size(1)}, options);
  const Tensor flows = at::empty({taps.most, weights.size(2)}, options);
  for (int64_t tap = 0; tap < taps.size(); ++tap) {
    const int64_t count = taps.count(tap);
    if (tap == taps.centre || count == 0) continue;
    each_row<Gather>(taps.features, taps.source(tap), count, gathered);
    each_row<Gather>(flow, taps.target(tap), count, flows);
    Tensor rows = gathered.narrow(0, 0, count), part = grad_weights[tap];
    at::mm_out(part, rows.t(), flows.narrow(0, 0, count));
    at::mm_out(rows, flows.narrow(0, 0, count), taps.weights[tap].t());
    each_row<Add>(gathered, taps.source(tap), count, grad_features);
  }
  return {grad_features.to(features.scalar_type()), grad_weights.to(weights.scalar_type())};
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, CPU, m) {
  m.impl("indice_conv", TORCH_FN(forward_cpu));
  m.impl("indice_conv_backward", TORCH_FN(backward_cpu));
}

} // namespace mx_driving
