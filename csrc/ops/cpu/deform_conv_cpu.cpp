// Sampling into columns, then one matrix product per convolution group; chunk by chunk, so that memory stays bounded.
#include "deform_conv_cpu.h"

#include "deform_conv_sampling.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace mx_driving {
namespace {

using at::Tensor;

// Large enough for an efficient matrix product, small enough for the columns to stay in the outer cache.
constexpr int64_t kColumnBytes = int64_t(4) << 20;

// One call with every tensor in the layout and dtype that the loops need.
struct Prepared {
  DeformConvGeometry g;
  int64_t batch, groups, chunk;
  std::vector<ChannelRun> runs;
  Tensor input, offset, mask, weight; // [N, H, W, C], as given, as given, [G, O / G, taps * C / G]
  Tensor columns, zeros;

  Tensor chunk_columns(int64_t count) const {
    const int64_t width = g.taps() * g.channels / groups;
    return columns.narrow(0, 0, groups * count * width).view({groups, count, width});
  }
};

std::vector<ChannelRun> channel_runs(int64_t channels, int64_t groups, int64_t deform_groups) {
  const int64_t per_group = channels / groups, per_deform_group = channels / deform_groups;
  std::vector<ChannelRun> runs;
  for (int64_t begin = 0; begin < channels;) {
    const int64_t group = begin / per_group, deform_group = begin / per_deform_group;
    const int64_t end = std::min((group + 1) * per_group, (deform_group + 1) * per_deform_group);
    runs.push_back({begin, end, deform_group, group, per_group});
    begin = end;
  }
  return runs;
}

DeformConvGeometry geometry(const DeformConvTensors& t, const DeformConvArgs& args) {
  return {
      t.input.size(1),
      t.input.size(2),
      t.input.size(3),
      t.weight.size(2),
      t.weight.size(3),
      t.offset.size(3),
      args.stride[0],
      args.stride[1],
      args.padding[0],
      args.padding[1],
      args.dilation[0],
      args.dilation[1],
      t.offset.size(2) * t.offset.size(3)};
}

Prepared prepare(const DeformConvTensors& t, const DeformConvArgs& args) {
  const auto compute = at::toOpMathType(t.input.scalar_type()); // half precision accumulates in float
  Prepared p;
  p.g = geometry(t, args);
  p.batch = t.input.size(0);
  p.groups = args.groups;
  p.runs = channel_runs(p.g.channels, args.groups, args.deform_groups);
  p.input = t.input.to(compute).permute({0, 2, 3, 1}).contiguous();
  p.offset = t.offset.to(compute).contiguous();
  p.mask = t.mask.defined() ? t.mask.to(compute).contiguous() : Tensor();
  const int64_t out_channels = t.weight.size(0) / args.groups, width = p.g.taps() * t.weight.size(1);
  p.weight = t.weight.to(compute).permute({0, 2, 3, 1}).reshape({args.groups, out_channels, width}).contiguous();
  const int64_t position_bytes = std::max<int64_t>(p.g.channels * p.g.taps() * p.input.element_size(), 1);
  p.chunk = std::min(p.g.positions, std::max<int64_t>(kColumnBytes / position_bytes, 64));
  p.columns = at::empty({p.chunk * p.g.channels * p.g.taps()}, p.input.options());
  p.zeros = at::zeros({p.g.channels}, p.input.options());
  return p;
}

template <typename scalar_t>
const scalar_t* image_of(const Tensor& tensor, int64_t n) {
  return tensor.defined() ? tensor.data_ptr<scalar_t>() + n * tensor.stride(0) : nullptr;
}

// Calls run(n, chunk, columns) for every chunk of every image.
template <typename scalar_t, typename Run>
void for_each_chunk(const Prepared& p, const Run& run) {
  for (int64_t n = 0; n < p.batch; ++n) {
    for (int64_t first = 0; first < p.g.positions; first += p.chunk) {
      const int64_t count = std::min(p.chunk, p.g.positions - first);
      const Tensor columns = p.chunk_columns(count);
      const DeformChunk<scalar_t> chunk{
          p.g,
          p.runs,
          image_of<scalar_t>(p.input, n),
          image_of<scalar_t>(p.offset, n),
          image_of<scalar_t>(p.mask, n),
          p.zeros.data_ptr<scalar_t>(),
          first,
          count,
          columns.data_ptr<scalar_t>()};
      run(n, chunk, columns);
    }
  }
}

template <typename scalar_t>
void forward(const Prepared& p, const Tensor& out) { // out: [N, G, O / G, positions]
  for_each_chunk<scalar_t>(p, [&](int64_t n, const DeformChunk<scalar_t>& chunk, const Tensor& columns) {
    parallel_vectorised(chunk.count, 16, SampleColumns<scalar_t>{chunk});
    for (int64_t group = 0; group < p.groups; ++group) {
      Tensor part = out[n][group].narrow(1, chunk.first, chunk.count);
      at::mm_out(part, p.weight[group], columns[group].t());
    }
  });
}

// grad_out is [N, G, O / G, positions]; the gradients have the layouts of Prepared.
template <typename scalar_t>
void backward(const Prepared& p, const Tensor& grad_out, const DeformConvGrads& grads) {
  for_each_chunk<scalar_t>(p, [&](int64_t n, const DeformChunk<scalar_t>& chunk, const Tensor& columns) {
    const Tensor grad = grad_out[n].narrow(2, chunk.first, chunk.count);
    for (int64_t group = 0; group < p.groups; ++group) {
      Tensor part = columns[group];
      at::mm_out(part, grad[group].t(), p.weight[group]);
    }
    scalar_t* grad_input = grads.input.data_ptr<scalar_t>() + n * grads.input.stride(0);
    scalar_t* grad_offset = grads.offset.data_ptr<scalar_t>() + n * grads.offset.stride(0);
    scalar_t* grad_mask = grads.mask.defined() ? grads.mask.data_ptr<scalar_t>() + n * grads.mask.stride(0) : nullptr;
    parallel_vectorised(p.g.channels, 16, ScatterColumns<scalar_t>{chunk, grad_input});
    parallel_vectorised(chunk.count, 16, ReduceColumns<scalar_t>{chunk, grad_offset, grad_mask});
    for (int64_t group = 0; group < p.groups; ++group) {
      grads.weight[group].addmm_(grad[group], columns[group]);
    }
  });
}

} // namespace

Tensor deform_conv_cpu(const DeformConvTensors& t, const DeformConvArgs& args) {
  check_deform_conv(t, args);
  const Prepared p = prepare(t, args);
  const int64_t outputs = t.weight.size(0);
  Tensor out = at::empty({p.batch, p.groups, outputs / p.groups, p.g.positions}, p.input.options());
  AT_DISPATCH_FLOATING_TYPES(p.input.scalar_type(), "deform_conv", [&] { forward<scalar_t>(p, out); });
  out = out.view({p.batch, outputs, t.offset.size(2), t.offset.size(3)});
  if (t.bias.defined()) {
    out += t.bias.to(out.scalar_type()).view({1, outputs, 1, 1});
  }
  return out.to(t.input.scalar_type());
}

DeformConvGrads deform_conv_backward_cpu(
    const DeformConvTensors& t, const DeformConvArgs& args, const Tensor& grad_output) {
  check_deform_conv_backward(t, args, grad_output);
  const Prepared p = prepare(t, args);
  const Tensor grad_out = grad_output.to(p.input.scalar_type())
                              .contiguous()
                              .view({p.batch, p.groups, t.weight.size(0) / p.groups, p.g.positions});
  const DeformConvGrads grads{
      at::zeros_like(p.input), at::empty_like(p.offset), p.mask.defined() ? at::empty_like(p.mask) : Tensor(),
      at::zeros_like(p.weight)};
  AT_DISPATCH_FLOATING_TYPES(p.input.scalar_type(), "deform_conv", [&] { backward<scalar_t>(p, grad_out, grads); });
  const auto dtype = t.input.scalar_type();
  const Tensor weight = grads.weight.view({t.weight.size(0), t.weight.size(2), t.weight.size(3), t.weight.size(1)});
  return {
      grads.input.permute({0, 3, 1, 2}).contiguous().to(dtype), grads.offset.to(dtype),
      grads.mask.defined() ? grads.mask.to(dtype) : Tensor(), weight.permute({0, 3, 1, 2}).contiguous().to(dtype)};
}

} // namespace mx_driving
