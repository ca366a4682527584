#include "ops/gemm.h"

#include <algorithm>
#include <optional>
#include <vector>

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

// What one call of oneDNN computes. Its results depend on how it divides a product, and it divides by the number of threads;
// given fewer threads than it planned with (OMP_DYNAMIC, OMP_THREAD_LIMIT), it leaves parts of the result out. So it gets
// blocks of a size that depends on nothing, each on one thread.
constexpr std::int64_t kBlockRows = 256;
constexpr std::int64_t kBlockColumns = 1024;

std::int64_t blocks(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

// A product out = x w^T, or out += x w^T. oneDNN keeps built primitives itself, keyed by shape, so asking again is cheap.
// Constructed before the metering check, because rounded operands need scratch.
class Product {
 public:
  Product(Queue<Cpu>& queue, View<Cpu, const float, 2> x, View<Cpu, const float, 2> w, bool accumulate, View<Cpu, float, 2> out)
      : queue_(queue), x_(x), w_(w), out_(out), rounded_(rounds(queue, out)) {
    if (out.empty()) return;
    // Whatever ONEDNN_DEFAULT_FPMATH_MODE says.
    attributes_.set_fpmath_mode(dnnl::fpmath_mode::strict);
    if (accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attributes_.set_post_ops(sum);
    }
    if (!rounded_) return;
    const OneThread here;
    for (std::int64_t block = 0; block < row_blocks(); ++block) rounded_x_.push_back(take(plan({block, 0}).src_desc()));
    // All rows take the weights in the order that the first block wants.
    for (std::int64_t block = 0; block < column_blocks(); ++block) {
      const Dnnl::desc order = plan({0, block}).weights_desc();
      order_of_w_.push_back(order);
      rounded_w_.push_back(take(order));
    }
  }

  void run() {
    if (rounded_) round_operands();
    parallel_for(row_blocks() * column_blocks(), 1, [&](std::int64_t i) {
      const OneThread here;
      run_block({i / column_blocks(), i % column_blocks()});
    });
  }

 private:
  struct Block {
    std::int64_t row, column;
  };

  // Few rows are not worth the rounding of all weights.
  static bool rounds(const Queue<Cpu>& queue, View<Cpu, float, 2> out) {
    constexpr std::int64_t kFewRows = 32;
    return queue.math() == MathMode::bf16 && queue.native().bf16 && out.extent(0) >= kFewRows;
  }
  [[nodiscard]] std::int64_t row_blocks() const { return blocks(out_.extent(0), kBlockRows); }
  [[nodiscard]] std::int64_t column_blocks() const { return blocks(out_.extent(1), kBlockColumns); }
  [[nodiscard]] std::int64_t rows(Block b) const { return std::min(kBlockRows, out_.extent(0) - b.row * kBlockRows); }
  [[nodiscard]] std::int64_t columns(Block b) const {
    return std::min(kBlockColumns, out_.extent(1) - b.column * kBlockColumns);
  }

  [[nodiscard]] dnnl::matmul::primitive_desc plan(Block b) const {
    const auto f32 = Dnnl::data_type::f32, bf16 = Dnnl::data_type::bf16;
    const std::int64_t depth = x_.extent(1);
    const auto x_desc = rounded_ ? matrix(bf16, rows(b), depth, depth, 1) : matrix(f32, rows(b), depth, x_.outer_stride(), 1);
    const auto column = static_cast<std::size_t>(b.column);
    const auto w_desc = !rounded_                     ? matrix(f32, depth, columns(b), 1, w_.outer_stride())
                        : column < order_of_w_.size() ? order_of_w_[column]
                                                      : Dnnl::desc({depth, columns(b)}, bf16, Dnnl::format_tag::any);
    const auto out_desc = matrix(f32, rows(b), columns(b), out_.outer_stride(), 1);
    return {{x_desc, w_desc, out_desc}, attributes_, queue_.native().engine};
  }
  // oneDNN's handles are not const, whatever it does with them.
  [[nodiscard]] Dnnl exact_x(Block b) const {
    return {matrix(Dnnl::data_type::f32, rows(b), x_.extent(1), x_.outer_stride(), 1), queue_.native().engine,
            const_cast<float*>(&x_(b.row * kBlockRows, 0))};
  }
  [[nodiscard]] Dnnl exact_w(Block b) const {
    return {matrix(Dnnl::data_type::f32, w_.extent(1), columns(b), 1, w_.outer_stride()), queue_.native().engine,
            const_cast<float*>(&w_(b.column * kBlockColumns, 0))};
  }

  void run_block(Block b) {
    auto& native = queue_.native();
    // A stream serves one thread at a time.
    dnnl::stream stream(native.engine);
    const auto planned = plan(b);
    const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
    const Dnnl x = rounded_ ? Dnnl(planned.src_desc(), native.engine, rounded_x_[at(b.row)]) : exact_x(b);
    const Dnnl w = rounded_ ? Dnnl(planned.weights_desc(), native.engine, rounded_w_[at(b.column)]) : exact_w(b);
    const Dnnl out(planned.dst_desc(), native.engine, &out_(b.row * kBlockRows, b.column * kBlockColumns));
    dnnl::matmul(planned).execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, out}});
  }

  void round_operands() {
    parallel_for(row_blocks() + column_blocks(), 1, [&](std::int64_t i) {
      const OneThread here;
      const std::int64_t column = i - row_blocks();
      if (column < 0) {
        round(exact_x({i, 0}), plan({i, 0}).src_desc(), rounded_x_[static_cast<std::size_t>(i)]);
      } else {
        round(exact_w({0, column}), plan({0, column}).weights_desc(), rounded_w_[static_cast<std::size_t>(column)]);
      }
    });
  }
  void round(Dnnl exact, const Dnnl::desc& desc, std::byte* place) const {
    dnnl::stream stream(queue_.native().engine);
    Dnnl to(desc, queue_.native().engine, place);
    dnnl::reorder(exact, to).execute(stream, exact, to);
  }
  [[nodiscard]] std::byte* take(const Dnnl::desc& desc) {
    return queue_.scratch().template take<std::byte, 1>({static_cast<std::int64_t>(desc.get_size())}).data();
  }

  Queue<Cpu>& queue_;
  View<Cpu, const float, 2> x_, w_;
  View<Cpu, float, 2> out_;
  bool rounded_;
  dnnl::primitive_attr attributes_;
  std::vector<std::byte*> rounded_x_, rounded_w_;
  std::vector<Dnnl::desc> order_of_w_;
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
