#include "ops/convolution.h"

#include "runtime/cpu/native.h"

namespace espalier {
namespace {

using Dnnl = dnnl::memory;

Dnnl::desc map_of(const Extents<4>& e) {
  return {Dnnl::dims{e[0], e[3], e[1], e[2]}, Dnnl::data_type::f32, Dnnl::format_tag::nhwc};
}

// Padding behind the last row or column: what the output's extent asks for beyond the image.
std::int64_t padding_behind(std::int64_t in, std::int64_t out, const Window& window, std::size_t axis) {
  return std::max<std::int64_t>((out - 1) * window.stride[axis] + window.reach(axis) - window.before[axis] - in, 0);
}

dnnl::convolution_forward::primitive_desc plan(const dnnl::engine& engine, const Extents<4>& x, const Extents<4>& w,
                                               const Window& window, Activation activation, const Extents<4>& out) {
  const auto pair = [](std::int64_t vertical, std::int64_t horizontal) { return Dnnl::dims{vertical, horizontal}; };
  const Dnnl::desc weights({w[0], w[3], w[1], w[2]}, Dnnl::data_type::f32, Dnnl::format_tag::any);
  const Dnnl::desc bias({w[0]}, Dnnl::data_type::f32, Dnnl::format_tag::a);
  const dnnl::convolution_forward::desc convolution(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, map_of(x), weights, bias, map_of(out),
      pair(window.stride[0], window.stride[1]), pair(window.dilation[0] - 1, window.dilation[1] - 1),
      pair(window.before[0], window.before[1]),
      pair(padding_behind(x[1], out[1], window, 0), padding_behind(x[2], out[2], window, 1)));
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (activation == Activation::relu) {
    dnnl::post_ops after;
    after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
    attributes.set_post_ops(after);
  }
  return {convolution, attributes, engine};
}

}  // namespace

template <class Dev, class T>
void conv2d(Queue<Dev>& queue, In<Dev, T, 4> x, In<Dev, T, 4> w, In<Dev, T, 1> bias, const Window& window,
            Activation activation, View<Dev, T, 4> out) {
  check_conv2d(x.extents(), w.extents(), bias.extent(0), window, activation, out.extents());
  if (out.size() == 0) return;
  auto& native = queue.native();
  const auto planned = plan(native.engine, x.extents(), w.extents(), window, activation, out.extents());
  const Frame<Cpu> frame(queue.scratch());
  const auto take = [&](const Dnnl::desc& desc) {
    return Dnnl(desc, native.engine,
                queue.scratch().template take<std::byte, 1>({static_cast<std::int64_t>(desc.get_size())}).data());
  };
  const Dnnl weights = take(planned.weights_desc());
  const Dnnl scratchpad = take(planned.scratchpad_desc());
  if (queue.metering()) return;
  // oneDNN's handles are not const, whatever it does with them.
  const Dnnl stored({{w.extent(0), w.extent(3), w.extent(1), w.extent(2)}, Dnnl::data_type::f32, Dnnl::format_tag::ohwi},
                    native.engine, const_cast<float*>(w.data()));
  Dnnl from = stored, to = weights;
  dnnl::reorder(from, to).execute(native.stream, from, to);
  dnnl::convolution_forward(planned).execute(
      native.stream, {{DNNL_ARG_SRC, Dnnl(planned.src_desc(), native.engine, const_cast<float*>(x.data()))},
                      {DNNL_ARG_WEIGHTS, weights},
                      {DNNL_ARG_BIAS, Dnnl(planned.bias_desc(), native.engine, const_cast<float*>(bias.data()))},
                      {DNNL_ARG_DST, Dnnl(planned.dst_desc(), native.engine, out.data())},
                      {DNNL_ARG_SCRATCHPAD, scratchpad}});
}
template void conv2d<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 4>, In<Cpu, float, 4>, In<Cpu, float, 1>, const Window&,
                                 Activation, View<Cpu, float, 4>);

}  // namespace espalier
