#include <algorithm>
#include <array>

#include "ops/convolution.h"
#include "ops/cpu/convolution_plans.h"
#include "parallel/parallel_for.h"
#include "runtime/cpu/native.h"

namespace espalier {
namespace {

using Dnnl = dnnl::memory;

// A 3x3x3 convolution with padding, in slabs of a few planes that each are a call of oneDNN on one thread: whatever the team,
// the same calls give the same numbers (see gemm.cpp).
class SlabConvolution {
 public:
  SlabConvolution(Queue<Cpu>& queue, const Extents<5>& x, std::int64_t out_channels, bool accumulate)
      : queue_(queue), x_(x), out_channels_(out_channels) {
    attributes_.set_fpmath_mode(queue.math() == MathMode::bf16 ? dnnl::fpmath_mode::bf16 : dnnl::fpmath_mode::strict);
    if (accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attributes_.set_post_ops(sum);
    }
    const OneThread here;
    const Dnnl::desc any(kernel(), Dnnl::data_type::f32, Dnnl::format_tag::any);
    for (std::int64_t slab = 0; slab < slabs_of_one(); ++slab)
      plans_.add(shape_of(slab), any, [&](const Dnnl::desc& order) { return plan(slab, order); });
  }

  [[nodiscard]] std::int64_t weight_bytes() const { return plans_.weight_bytes(); }
  [[nodiscard]] std::int64_t slabs() const { return x_[0] * slabs_of_one(); }

  // The weights go into the blocked orders that the kernels want.
  void block_weights(const float* from, std::byte* to) const {
    plans_.block_weights(queue_, {kernel(), Dnnl::data_type::f32, Dnnl::format_tag::odhwi}, from, to);
  }

  void run(std::int64_t slab, const float* x, std::byte* weights, const float* bias, float* out) const {
    const OneThread here;
    const dnnl::engine& engine = queue_.native().engine;
    dnnl::stream stream(engine);  // serves one thread at a time
    const auto& part = plans_.at(shape_of(slab));
    const auto& planned = part.plan;
    const std::int64_t plane = x_[2] * x_[3];
    const std::int64_t image = slab / slabs_of_one() * x_[1];
    // oneDNN's handles are not const, whatever it does with them.
    auto* input = const_cast<float*>(x + (image + first(slab) - padding(slab)[0]) * plane * x_[4]);
    float* output = out + (image + first(slab)) * plane * out_channels_;
    dnnl::convolution_forward(planned).execute(
        stream, {{DNNL_ARG_SRC, Dnnl(planned.src_desc(), engine, input)},
                 {DNNL_ARG_WEIGHTS, Dnnl(plans_.weights_of(part), engine, plans_.weights_of(part, weights))},
                 {DNNL_ARG_BIAS, Dnnl(bias_desc(), engine, const_cast<float*>(bias))},
                 {DNNL_ARG_DST, Dnnl(planned.dst_desc(), engine, output)}});
  }

 private:
  static constexpr std::int64_t kPlanes = 2;  // of a slab
  // Planes of the slab, and of neighbours before and behind it.
  using Shape = std::array<std::int64_t, 3>;

  [[nodiscard]] Shape shape_of(std::int64_t slab) const {
    const auto [before, behind] = padding(slab);
    return {planes(slab), before, behind};
  }
  [[nodiscard]] std::int64_t slabs_of_one() const { return (x_[1] + kPlanes - 1) / kPlanes; }
  [[nodiscard]] std::int64_t first(std::int64_t slab) const { return slab % slabs_of_one() * kPlanes; }
  [[nodiscard]] std::int64_t planes(std::int64_t slab) const { return std::min(kPlanes, x_[1] - first(slab)); }
  // Planes of neighbours before and behind the slab.
  [[nodiscard]] std::array<std::int64_t, 2> padding(std::int64_t slab) const {
    return {first(slab) > 0 ? 1 : 0, first(slab) + planes(slab) < x_[1] ? 1 : 0};
  }
  [[nodiscard]] Dnnl::dims kernel() const { return {out_channels_, x_[4], 3, 3, 3}; }
  [[nodiscard]] Dnnl::desc bias_desc() const { return {{out_channels_}, Dnnl::data_type::f32, Dnnl::format_tag::a}; }
  [[nodiscard]] dnnl::convolution_forward::primitive_desc plan(std::int64_t slab, const Dnnl::desc& weights) const {
    const auto volume = [&](std::int64_t depth, std::int64_t channels) {
      return Dnnl::desc({1, channels, depth, x_[2], x_[3]}, Dnnl::data_type::f32, Dnnl::format_tag::ndhwc);
    };
    const auto [before, behind] = padding(slab);
    return {{dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
             volume(planes(slab) + before + behind, x_[4]), weights, bias_desc(), volume(planes(slab), out_channels_),
             Dnnl::dims{1, 1, 1}, Dnnl::dims{1 - before, 1, 1}, Dnnl::dims{1 - behind, 1, 1}},
            attributes_,
            queue_.native().engine};
  }

  Queue<Cpu>& queue_;
  Extents<5> x_;
  std::int64_t out_channels_;
  dnnl::primitive_attr attributes_;
  ConvolutionPlans<Shape> plans_;
};

}  // namespace

template <class Dev, class T>
void conv3d(Queue<Dev>& queue, In<Dev, T, 5> x, In<Dev, T, 5> w, In<Dev, T, 1> bias, In<Dev, T, 5> residual,
            View<Dev, T, 5> out) {
  const Extents<5>& e = x.extents();
  const std::int64_t out_channels = w.extent(0);
  require(w.extents() == Extents<5>{out_channels, 3, 3, 3, e[4]} && bias.extent(0) == out_channels, "conv3d", "w is ",
          out_channels, " x ... x ", w.extent(4), " for ", e[4], " input channels, bias ", bias.extent(0));
  require(out.extents() == Extents<5>{e[0], e[1], e[2], e[3], out_channels} &&
              (residual.empty() || residual.extents() == out.extents()),
          "conv3d", "x, residual and out differ in shape");
  require(x.contiguous() && w.contiguous() && residual.contiguous() && out.contiguous(), "conv3d", "views must be contiguous");

  const SlabConvolution plan(queue, e, out_channels, !residual.empty());
  auto& scratch = queue.scratch();
  const Frame<Cpu> frame(scratch);
  const auto weights = scratch.template take<std::byte, 1>({plan.weight_bytes()});
  if (queue.metering() || out.empty()) return;

  if (!residual.empty() && residual.data() != out.data()) {
    copy<Cpu, float, 5>(queue, residual, out);
  }
  plan.block_weights(w.data(), weights.data());
  parallel_for(plan.slabs(), 1, [&](std::int64_t slab) { plan.run(slab, x.data(), weights.data(), bias.data(), out.data()); });
}
template void conv3d<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, In<Cpu, float, 5>, In<Cpu, float, 1>, In<Cpu, float, 5>,
                                 View<Cpu, float, 5>);

}  // namespace espalier
