#include "emulator/operators/vision/bilinear.h"

namespace emulator {
namespace {

at::Tensor corner(const at::Tensor& x, const at::Tensor& row, const at::Tensor& column, const at::Tensor& weight,
                  int64_t height, int64_t width) {
  const auto inside = row.ge(0).logical_and(row.lt(height)).logical_and(column.ge(0)).logical_and(column.lt(width));
  // Of a NaN no index can be made; its weight is NaN, and so is the result.
  const auto index = at::nan_to_num(row.clamp(0, height - 1) * width + column.clamp(0, width - 1), 0.0).to(at::kLong);
  const auto values = x.gather(2, index.unsqueeze(1).expand({-1, x.size(1), -1}));
  return values * (weight * inside).unsqueeze(1);
}

}  // namespace

at::Tensor bilinear(const at::Tensor& x, const at::Tensor& row, const at::Tensor& column, int64_t height,
                    int64_t width) {
  const auto top = row.floor().detach(), left = column.floor().detach();
  const auto near = row.gt(-1).logical_and(row.lt(height)).logical_and(column.gt(-1)).logical_and(column.lt(width));
  const auto down = row - top, right = column - left;
  return corner(x, top, left, (1 - down) * (1 - right) * near, height, width) +
         corner(x, top, left + 1, (1 - down) * right * near, height, width) +
         corner(x, top + 1, left, down * (1 - right) * near, height, width) +
         corner(x, top + 1, left + 1, down * right * near, height, width);
}

std::vector<at::Tensor> differentiate(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& body,
                                      std::vector<at::Tensor> inputs, const at::Tensor& grad) {
  // A fresh thread: this one runs below autograd, as device kernels do.
  const auto task = [&] {
    for (auto& input : inputs) input = input.clone().requires_grad_();
    const auto result = body(inputs);
    return torch::autograd::grad({result}, inputs, {grad});
  };
  return std::async(std::launch::async, task).get();
}

}  // namespace emulator
