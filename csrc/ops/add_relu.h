// add_relu: what every backend of the operator shares.
#pragma once

#include <ATen/core/Tensor.h>

namespace mx_driving {

// Checks x and y and returns the sum, uninitialised: broadcast shape, promoted dtype, memory format of x.
at::Tensor empty_add_relu(const at::Tensor& x, const at::Tensor& y);

} // namespace mx_driving
