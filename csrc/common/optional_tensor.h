// The type of an argument `Tensor?` of a schema.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

namespace mx_driving {

// std::optional or c10::optional, whichever this torch uses in its own signatures.
using OptionalTensor = decltype(std::declval<c10::IValue>().toOptional<at::Tensor>());

} // namespace mx_driving
