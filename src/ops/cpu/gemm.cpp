#include "ops/gemm.h"

#include "ops/cpu/activation.h"
#include "parallel/parallel_for.h"
#include "runtime/cpu/native.h"

namespace espalier {
namespace {

using Dnnl = dnnl::memory;

Dnnl::desc matrix(std::int64_t rows, std::int64_t columns, std::int64_t row_stride, std::int64_t column_stride) {
  return {Dnnl::dims{rows, columns}, Dnnl::data_type::f32, Dnnl::dims{row_stride, column_stride}};
}

// out = x w^T, or out += x w^T. oneDNN keeps built primitives itself, keyed by shape, so asking again is cheap.
void product(Queue<Cpu>& queue, View<Cpu, const float, 2> x, View<Cpu, const float, 2> w, bool accumulate,
             View<Cpu, float, 2> out) {
  dnnl::primitive_attr attributes;
  if (queue.math() == MathMode::bf16) attributes.set_fpmath_mode(dnnl::fpmath_mode::bf16);
  if (accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
  const auto x_desc = matrix(x.extent(0), x.extent(1), x.outer_stride(), 1);
  const auto w_desc = matrix(w.extent(1), w.extent(0), 1, w.outer_stride());
  const auto out_desc = matrix(out.extent(0), out.extent(1), out.outer_stride(), 1);
  auto& native = queue.native();
  const dnnl::matmul::primitive_desc plan({x_desc, w_desc, out_desc}, attributes, native.engine);
  // oneDNN's handles are not const, whatever it does with them.
  const Dnnl x_memory(x_desc, native.engine, const_cast<float*>(x.data()));
  const Dnnl w_memory(w_desc, native.engine, const_cast<float*>(w.data()));
  const Dnnl out_memory(out_desc, native.engine, out.data());
  dnnl::matmul(plan).execute(native.stream,
                             {{DNNL_ARG_SRC, x_memory}, {DNNL_ARG_WEIGHTS, w_memory}, {DNNL_ARG_DST, out_memory}});
}

void check_shapes(const char* where, View<Cpu, const float, 2> x, View<Cpu, const float, 2> w, View<Cpu, const float, 1> bias,
                  View<Cpu, float, 2> out) {
  require(x.extent(1) == w.extent(1) && out.extent(0) == x.extent(0) && out.extent(1) == w.extent(0), where, "x is ",
          x.extent(0), " x ", x.extent(1), ", w ", w.extent(0), " x ", w.extent(1), ", out ", out.extent(0), " x ",
          out.extent(1));
  require(bias.empty() || bias.extent(0) == w.extent(0), where, "bias has ", bias.extent(0), " elements for ", w.extent(0),
          " outputs");
}

}  // namespace

template <>
void linear(Queue<Cpu>& queue, In<Cpu, float, 2> x, In<Cpu, float, 2> w, In<Cpu, float, 1> bias, Activation activation,
            View<Cpu, float, 2> out) {
  check_shapes("linear", x, w, bias, out);
  if (queue.metering() || out.empty()) return;
  product(queue, x, w, false, out);
  if (bias.empty() && activation == Activation::none) return;
  // Bias and activation in a pass of our own: oneDNN's post-op kernel for AVX2 takes four times as long.
  const std::int64_t width = out.extent(1);
  parallel_for(out.extent(0), grain_for(width), [&](std::int64_t r) {
    float* row = &out(r, 0);
    for (std::int64_t c = 0; c < bias.extent(0); ++c) row[c] += bias.data()[c];
    cpu::activate_row(row, width, activation, row);
  });
}

template <>
void linear_add(Queue<Cpu>& queue, In<Cpu, float, 2> x, In<Cpu, float, 2> w, In<Cpu, float, 1> bias, In<Cpu, float, 2> residual,
                View<Cpu, float, 2> out) {
  check_shapes("linear_add", x, w, bias, out);
  require(residual.extents() == out.extents(), "linear_add", "residual and out differ in shape");
  if (queue.metering() || out.empty()) return;
  const std::int64_t width = out.extent(1);
  if (residual.data() != out.data() || !bias.empty()) {
    parallel_for(out.extent(0), grain_for(width), [&](std::int64_t r) {
      float* row = &out(r, 0);
      std::copy_n(&residual(r, 0), residual.data() == out.data() ? 0 : width, row);
      for (std::int64_t c = 0; c < bias.extent(0); ++c) row[c] += bias.data()[c];
    });
  }
  product(queue, x, w, true, out);
}

}  // namespace espalier
