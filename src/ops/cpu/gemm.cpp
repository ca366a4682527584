#include "ops/gemm.h"

#include <optional>

#include "ops/cpu/activation.h"
#include "parallel/parallel_for.h"
#include "runtime/cpu/native.h"

namespace espalier {
namespace {

using Dnnl = dnnl::memory;

Dnnl::desc matrix(Dnnl::data_type type, std::int64_t rows, std::int64_t columns, std::int64_t row_stride,
                  std::int64_t column_stride) {
  return {Dnnl::dims{rows, columns}, type, Dnnl::dims{row_stride, column_stride}};
}

// A product out = x w^T, or out += x w^T. oneDNN keeps built primitives itself, keyed by shape, so asking again is cheap.
// Constructed before the metering check, because rounded operands need scratch.
class Product {
 public:
  Product(Queue<Cpu>& queue, View<Cpu, const float, 2> x, View<Cpu, const float, 2> w, bool accumulate, View<Cpu, float, 2> out)
      : queue_(queue), x_(x), w_(w), out_(out), rounded_(rounds(queue, out)) {
    if (out.empty()) return;
    if (accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attributes_.set_post_ops(sum);
    }
    if (!rounded_) return;
    plan(Dnnl::data_type::bf16, Dnnl::desc({w.extent(1), w.extent(0)}, Dnnl::data_type::bf16, Dnnl::format_tag::any));
    rounded_x_ = take(plan_.src_desc());
    rounded_w_ = take(plan_.weights_desc());
  }

  void run() {
    auto& native = queue_.native();
    const auto f32 = Dnnl::data_type::f32;
    const auto x_desc = matrix(f32, x_.extent(0), x_.extent(1), x_.outer_stride(), 1);
    const auto w_desc = matrix(f32, w_.extent(1), w_.extent(0), 1, w_.outer_stride());
    // oneDNN's handles are not const, whatever it does with them.
    Dnnl x(x_desc, native.engine, const_cast<float*>(x_.data()));
    Dnnl w(w_desc, native.engine, const_cast<float*>(w_.data()));
    if (rounded_) {
      x = rounded(x, plan_.src_desc(), rounded_x_);
      w = rounded(w, plan_.weights_desc(), rounded_w_);
    } else {
      plan(f32, w_desc);
    }
    const Dnnl out(plan_.dst_desc(), native.engine, out_.data());
    dnnl::matmul(plan_).execute(native.stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, out}});
  }

 private:
  // Few rows are not worth the rounding of all weights.
  static bool rounds(const Queue<Cpu>& queue, View<Cpu, float, 2> out) {
    constexpr std::int64_t kFewRows = 32;
    return queue.math() == MathMode::bf16 && queue.native().bf16 && out.extent(0) >= kFewRows;
  }
  void plan(Dnnl::data_type type, const Dnnl::desc& weights) {
    const auto x_desc = type == Dnnl::data_type::f32 ? matrix(type, x_.extent(0), x_.extent(1), x_.outer_stride(), 1)
                                                     : matrix(type, x_.extent(0), x_.extent(1), x_.extent(1), 1);
    const auto out_desc = matrix(Dnnl::data_type::f32, out_.extent(0), out_.extent(1), out_.outer_stride(), 1);
    plan_ = dnnl::matmul::primitive_desc({x_desc, weights, out_desc}, attributes_, queue_.native().engine);
  }
  [[nodiscard]] std::byte* take(const Dnnl::desc& desc) {
    return queue_.scratch().template take<std::byte, 1>({static_cast<std::int64_t>(desc.get_size())}).data();
  }
  [[nodiscard]] Dnnl rounded(Dnnl exact, const Dnnl::desc& desc, std::byte* place) const {
    Dnnl to(desc, queue_.native().engine, place);
    dnnl::reorder(exact, to).execute(queue_.native().stream, exact, to);
    return to;
  }

  Queue<Cpu>& queue_;
  View<Cpu, const float, 2> x_, w_;
  View<Cpu, float, 2> out_;
  bool rounded_;
  dnnl::primitive_attr attributes_;
  dnnl::matmul::primitive_desc plan_;
  std::byte *rounded_x_ = nullptr, *rounded_w_ = nullptr;
};

// Frees what a product took from the scratch arena, where there is one.
class ScratchFrame {
 public:
  explicit ScratchFrame(Queue<Cpu>& queue) {
    if (queue.math() == MathMode::bf16) frame_.emplace(queue.scratch());
  }

 private:
  std::optional<Frame<Cpu>> frame_;
};

void check_shapes(const char* where, View<Cpu, const float, 2> x, View<Cpu, const float, 2> w, View<Cpu, const float, 1> bias,
                  View<Cpu, float, 2> out) {
  require(x.extent(1) == w.extent(1) && out.extent(0) == x.extent(0) && out.extent(1) == w.extent(0), where, "x is ",
          x.extent(0), " x ", x.extent(1), ", w ", w.extent(0), " x ", w.extent(1), ", out ", out.extent(0), " x ",
          out.extent(1));
  require(bias.empty() || bias.extent(0) == w.extent(0), where, "bias has ", bias.extent(0), " elements for ", w.extent(0),
          " outputs");
}

}  // namespace

template <class Dev, class T>
void linear(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 2> w, In<Dev, T, 1> bias, Activation activation,
            View<Dev, T, 2> out) {
  check_shapes("linear", x, w, bias, out);
  const ScratchFrame frame(queue);
  Product product(queue, x, w, false, out);
  if (queue.metering() || out.empty()) return;
  product.run();
  if (bias.empty() && activation == Activation::none) return;
  // Bias and activation in a pass of our own: oneDNN's post-op kernel for AVX2 takes four times as long.
  const std::int64_t width = out.extent(1);
  parallel_for(out.extent(0), grain_for(width), [&](std::int64_t r) {
    float* row = &out(r, 0);
    for (std::int64_t c = 0; c < bias.extent(0); ++c) row[c] += bias.data()[c];
    cpu::activate_row(row, width, activation, row);
  });
}
template void linear<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, In<Cpu, float, 2>, In<Cpu, float, 1>, Activation,
                                 View<Cpu, float, 2>);

template <class Dev, class T>
void linear_add(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 2> w, In<Dev, T, 1> bias, In<Dev, T, 2> residual,
                View<Dev, T, 2> out) {
  check_shapes("linear_add", x, w, bias, out);
  require(residual.extents() == out.extents(), "linear_add", "residual and out differ in shape");
  const ScratchFrame frame(queue);
  Product product(queue, x, w, true, out);
  if (queue.metering() || out.empty()) return;
  const std::int64_t width = out.extent(1);
  if (residual.data() != out.data() || !bias.empty()) {
    parallel_for(out.extent(0), grain_for(width), [&](std::int64_t r) {
      float* row = &out(r, 0);
      std::copy_n(&residual(r, 0), residual.data() == out.data() ? 0 : width, row);
      for (std::int64_t c = 0; c < bias.extent(0); ++c) row[c] += bias.data()[c];
    });
  }
  product.run();
}
template void linear_add<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, In<Cpu, float, 2>, In<Cpu, float, 1>, In<Cpu, float, 2>,
                                     View<Cpu, float, 2>);

}  // namespace espalier
