#include "ops/convolution.h"
#include "ops/cpu/convolution_plans.h"
#include "parallel/parallel_for.h"
#include "runtime/cpu/native.h"

namespace espalier {
namespace {

using Dnnl = dnnl::memory;

// A convolution in bands of a few rows of the result that each are a call of oneDNN on one thread: whatever the team, the same
// calls give the same numbers (see gemm.cpp).
class BandConvolution {
 public:
  BandConvolution(Queue<Cpu>& queue, const Extents<4>& x, const Extents<4>& w, const Window& window, Activation activation,
                  const Extents<4>& out)
      : queue_(queue), x_(x), w_(w), out_(out), window_(window), rows_(rows_of_a_band(out[1])) {
    // Whatever ONEDNN_DEFAULT_FPMATH_MODE says.
    attributes_.set_fpmath_mode(dnnl::fpmath_mode::strict);
    if (activation == Activation::relu) {
      dnnl::post_ops after;
      after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
      attributes_.set_post_ops(after);
    }
    const OneThread here;
    const Dnnl::desc any(kernel(), Dnnl::data_type::f32, Dnnl::format_tag::any);
    for (std::int64_t band = 0; band < bands_of_one(); ++band) {
      const Shape shape = shape_of(band);
      plans_.add(shape, any, [&](const Dnnl::desc& order) { return plan(shape, order); });
    }
  }

  [[nodiscard]] std::int64_t weight_bytes() const { return plans_.weight_bytes(); }
  [[nodiscard]] std::int64_t bands() const { return x_[0] * bands_of_one(); }

  // The weights go into the blocked orders that the kernels want.
  void block_weights(const float* from, std::byte* to) const {
    plans_.block_weights(queue_, {kernel(), Dnnl::data_type::f32, Dnnl::format_tag::ohwi}, from, to);
  }

  void run(std::int64_t band, const float* x, std::byte* weights, const float* bias, float* out) const {
    const OneThread here;
    const dnnl::engine& engine = queue_.native().engine;
    dnnl::stream stream(engine);  // serves one thread at a time
    const std::int64_t image = band / bands_of_one(), of_image = band % bands_of_one();
    const auto& part = plans_.at(shape_of(of_image));
    const auto& planned = part.plan;
    auto* input = const_cast<float*>(x + (image * x_[1] + seen(of_image)[0]) * x_[2] * x_[3]);
    float* output = out + (image * out_[1] + of_image * rows_) * out_[2] * out_[3];
    dnnl::convolution_forward(planned).execute(
        stream, {{DNNL_ARG_SRC, Dnnl(planned.src_desc(), engine, input)},
                 {DNNL_ARG_WEIGHTS, Dnnl(plans_.weights_of(part), engine, plans_.weights_of(part, weights))},
                 {DNNL_ARG_BIAS, Dnnl(bias_desc(), engine, const_cast<float*>(bias))},
                 {DNNL_ARG_DST, Dnnl(planned.dst_desc(), engine, output)}});
  }

 private:
  // Rows of the input and of the result, and rows of zeros before and behind those of the input.
  struct Shape {
    std::int64_t in, out, before, behind;
    auto operator<=>(const Shape&) const = default;
  };

  // Small maps are as much work as large ones, so they are divided further.
  static std::int64_t rows_of_a_band(std::int64_t rows) {
    constexpr std::int64_t kMostRows = 8, kBands = 16;
    return std::clamp<std::int64_t>((rows + kBands - 1) / kBands, 1, kMostRows);
  }
  [[nodiscard]] std::int64_t bands_of_one() const { return (out_[1] + rows_ - 1) / rows_; }
  [[nodiscard]] std::int64_t rows(std::int64_t band) const { return std::min(rows_, out_[1] - band * rows_); }
  // The first row of the input that a band looks at, and the one behind the last, inside the image or not.
  [[nodiscard]] std::array<std::int64_t, 2> reached(std::int64_t band) const {
    const std::int64_t first = band * rows_ * window_.stride[0] - window_.before[0];
    return {first, first + (rows(band) - 1) * window_.stride[0] + window_.reach(0)};
  }
  [[nodiscard]] std::array<std::int64_t, 2> seen(std::int64_t band) const {
    const auto [first, end] = reached(band);
    return {std::max<std::int64_t>(first, 0), std::min(end, x_[1])};
  }
  [[nodiscard]] Shape shape_of(std::int64_t band) const {
    const auto [first, end] = reached(band);
    const auto [begin, last] = seen(band);
    return {last - begin, rows(band), begin - first, end - last};
  }

  [[nodiscard]] Dnnl::dims kernel() const { return {w_[0], w_[3], w_[1], w_[2]}; }
  [[nodiscard]] Dnnl::desc bias_desc() const { return {{w_[0]}, Dnnl::data_type::f32, Dnnl::format_tag::a}; }
  [[nodiscard]] dnnl::convolution_forward::primitive_desc plan(const Shape& shape, const Dnnl::desc& weights) const {
    const auto map = [](std::int64_t height, std::int64_t width, std::int64_t channels) {
      return Dnnl::desc({1, channels, height, width}, Dnnl::data_type::f32, Dnnl::format_tag::nhwc);
    };
    // Columns behind the last: what the extent of the result asks for beyond the image.
    const std::int64_t right = (out_[2] - 1) * window_.stride[1] + window_.reach(1) - window_.before[1] - x_[2];
    return {{dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, map(shape.in, x_[2], x_[3]), weights,
             bias_desc(), map(shape.out, out_[2], out_[3]), Dnnl::dims{window_.stride[0], window_.stride[1]},
             Dnnl::dims{window_.dilation[0] - 1, window_.dilation[1] - 1}, Dnnl::dims{shape.before, window_.before[1]},
             Dnnl::dims{shape.behind, std::max<std::int64_t>(right, 0)}},
            attributes_,
            queue_.native().engine};
  }

  Queue<Cpu>& queue_;
  Extents<4> x_, w_, out_;
  Window window_;
  std::int64_t rows_;
  dnnl::primitive_attr attributes_;
  ConvolutionPlans<Shape> plans_;
};

}  // namespace

template <class Dev, class T>
void conv2d(Queue<Dev>& queue, In<Dev, T, 4> x, In<Dev, T, 4> w, In<Dev, T, 1> bias, const Window& window,
            Activation activation, View<Dev, T, 4> out) {
  check_conv2d(x.extents(), w.extents(), bias.extent(0), window, activation, out.extents());
  if (out.size() == 0) return;
  const BandConvolution plan(queue, x.extents(), w.extents(), window, activation, out.extents());
  const Frame<Cpu> frame(queue.scratch());
  const auto weights = queue.scratch().template take<std::byte, 1>({plan.weight_bytes()});
  if (queue.metering()) return;
  plan.block_weights(w.data(), weights.data());
  parallel_for(plan.bands(), 1, [&](std::int64_t band) { plan.run(band, x.data(), weights.data(), bias.data(), out.data()); });
}
template void conv2d<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 4>, In<Cpu, float, 4>, In<Cpu, float, 1>, const Window&,
                                 Activation, View<Cpu, float, 4>);

}  // namespace espalier
