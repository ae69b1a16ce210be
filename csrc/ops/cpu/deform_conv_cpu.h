// Deformable convolution on the CPU, both versions: v1 is v2 without a mask and a bias.
#pragma once

#include "../deform_conv_common.h"

namespace mx_driving {

at::Tensor deform_conv_cpu(const DeformConvTensors& t, const DeformConvArgs& args);

struct DeformConvGrads {
  at::Tensor input, offset, mask, weight; // mask is undefined where there was none
};

DeformConvGrads deform_conv_backward_cpu(
    const DeformConvTensors& t, const DeformConvArgs& args, const at::Tensor& grad_output);

} // namespace mx_driving
