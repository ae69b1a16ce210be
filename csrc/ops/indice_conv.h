// Checks of ``indice_conv`` and its backward.
#pragma once

#include "../common/checks.h"

namespace mx_driving {

inline void check_indice_conv(
    const at::Tensor& features, const at::Tensor& weights, const at::Tensor& pairs, const at::Tensor& numbers) {
  const char* op = "indice_conv";
  check_floating(op, "features", features);
  check_like(op, "weights", weights, "features", features);
  check_dim(op, "features", features, 2, "[N, C_in]");
  check_dim(op, "indice_pairs", pairs, 3, "[K, 2, L]");
  check_dim(op, "weights", weights, 3, "[K, C_in, C_out]");
  check_shape(
      op, "weights", weights, {pairs.sym_size(0), features.sym_size(1), weights.sym_size(2)}, "[K, C_in, C_out]");
  check_shape(op, "indice_pairs", pairs, {pairs.sym_size(0), 2, pairs.sym_size(2)}, "[K, 2, L]");
  check_shape(op, "indice_pair_num", numbers, {pairs.sym_size(0)}, "[K]");
  TORCH_CHECK(
      pairs.scalar_type() == at::kInt && numbers.scalar_type() == at::kInt, op,
      ": indice_pairs and indice_pair_num must be Int, got ", pairs.scalar_type(), ", ", numbers.scalar_type());
}

} // namespace mx_driving
