// Calls of our own operators from C++.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

namespace mx_driving {

// The operator as the dispatcher sees it, whichever device implements it. Signature is that of any of its kernels.
template <typename Signature>
c10::TypedOperatorHandle<Signature> find_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

} // namespace mx_driving
