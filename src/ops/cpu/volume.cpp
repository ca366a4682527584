#include "ops/volume.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ops/cpu/convolution_plans.h"
#include "parallel/parallel_for.h"
#include "runtime/cpu/native.h"

namespace espalier {
namespace {

using Volume = View<Cpu, float, 5>;
using ConstVolume = View<Cpu, const float, 5>;

// Calls body(b, i, j, k) for all cells of [batch, n0, n1, n2], each of which is `cell` elements of work.
template <class Body>
void over_cells(std::int64_t batch, std::int64_t n0, std::int64_t n1, std::int64_t n2, std::int64_t cell, Body body) {
  parallel_for(batch * n0 * n1 * n2, grain_for(cell), [&](std::int64_t index) {
    const std::int64_t k = index % n2;
    const std::int64_t j = index / n2 % n1;
    const std::int64_t i = index / (n2 * n1) % n0;
    body(index / (n2 * n1 * n0), i, j, k);
  });
}

// Grid side of the tokens of a cubic volume [batch, c, side, side, side].
std::int64_t patch_grid(const char* where, const Extents<5>& volume, const Extents<2>& tokens, int patch) {
  const std::int64_t side = volume[2];
  require(patch > 0 && volume[3] == side && volume[4] == side && side % patch == 0, where, "a volume of ", side, " x ",
          volume[3], " x ", volume[4], " in patches of ", patch);
  const std::int64_t grid = side / patch;
  require(tokens[0] == volume[0] * grid * grid * grid && tokens[1] == volume[1] * patch * patch * patch, where, "tokens are ",
          tokens[0], " x ", tokens[1]);
  return grid;
}

// Calls body(token, channel of the token, batch, c, x, y, z) for every element of a volume cut into patches.
template <class Body>
void over_patches(const Extents<5>& volume, std::int64_t grid, std::int64_t p, Body body) {
  over_cells(volume[0], grid, grid, grid, volume[1] * p * p * p,
             [&](std::int64_t b, std::int64_t i, std::int64_t j, std::int64_t k) {
               const std::int64_t token = ((b * grid + i) * grid + j) * grid + k;
               std::int64_t channel = 0;
               for (std::int64_t c = 0; c < volume[1]; ++c) {
                 for (std::int64_t px = 0; px < p; ++px) {
                   for (std::int64_t py = 0; py < p; ++py) {
                     for (std::int64_t pz = 0; pz < p; ++pz) body(token, channel++, b, c, i * p + px, j * p + py, k * p + pz);
                   }
                 }
               }
             });
}

// Volumes a [batch, n0, n1, n2, .] and b [batch, 2 n0, 2 n1, 2 n2, .] with 8 times the channels in a.
void check_doubling(const char* where, const Extents<5>& a, const Extents<5>& b) {
  require(a[0] == b[0] && 2 * a[1] == b[1] && 2 * a[2] == b[2] && 2 * a[3] == b[3] && a[4] == 8 * b[4], where, "[", a[1], ", ",
          a[2], ", ", a[3], ", ", a[4], "] and [", b[1], ", ", b[2], ", ", b[3], ", ", b[4], "] do not correspond");
}

}  // namespace

template <class Dev, class T>
void patchify(Queue<Dev>& queue, In<Dev, T, 5> x, int patch, View<Dev, T, 2> out) {
  const std::int64_t grid = patch_grid("patchify", x.extents(), out.extents(), patch);
  if (queue.metering()) return;
  over_patches(x.extents(), grid, patch, [&](auto token, auto channel, auto... at) { out(token, channel) = x(at...); });
}
template void patchify<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, int, View<Cpu, float, 2>);

template <class Dev, class T>
void unpatchify(Queue<Dev>& queue, In<Dev, T, 2> tokens, int patch, View<Dev, T, 5> out) {
  const std::int64_t grid = patch_grid("unpatchify", out.extents(), tokens.extents(), patch);
  if (queue.metering()) return;
  over_patches(out.extents(), grid, patch, [&](auto token, auto channel, auto... at) { out(at...) = tokens(token, channel); });
}
template void unpatchify<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, int, View<Cpu, float, 5>);

template <class Dev, class T>
void to_channels_last(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  const Extents<5>& e = x.extents();
  require(out.extents() == Extents<5>{e[0], e[2], e[3], e[4], e[1]}, "to_channels_last", "x and out differ in shape");
  if (queue.metering()) return;
  over_cells(e[0], e[2], e[3], e[4], e[1], [&](auto b, auto i, auto j, auto k) {
    for (std::int64_t c = 0; c < e[1]; ++c) out(b, i, j, k, c) = x(b, c, i, j, k);
  });
}
template void to_channels_last<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, View<Cpu, float, 5>);

template <class Dev, class T>
void to_channels_first(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  const Extents<5>& e = x.extents();
  require(out.extents() == Extents<5>{e[0], e[4], e[1], e[2], e[3]}, "to_channels_first", "x and out differ in shape");
  if (queue.metering()) return;
  over_cells(e[0], e[1], e[2], e[3], e[4], [&](auto b, auto i, auto j, auto k) {
    for (std::int64_t c = 0; c < e[4]; ++c) out(b, c, i, j, k) = x(b, i, j, k, c);
  });
}
template void to_channels_first<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, View<Cpu, float, 5>);

template <class Dev, class T>
void pixel_shuffle(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  check_doubling("pixel_shuffle", x.extents(), out.extents());
  if (queue.metering()) return;
  const Extents<5>& e = out.extents();
  over_cells(e[0], e[1], e[2], e[3], e[4], [&](auto b, auto i, auto j, auto k) {
    const std::int64_t offset = 4 * (i % 2) + 2 * (j % 2) + k % 2;
    for (std::int64_t c = 0; c < e[4]; ++c) out(b, i, j, k, c) = x(b, i / 2, j / 2, k / 2, 8 * c + offset);
  });
}
template void pixel_shuffle<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, View<Cpu, float, 5>);

template <class Dev, class T>
void space_to_depth(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  check_doubling("space_to_depth", out.extents(), x.extents());
  if (queue.metering()) return;
  const Extents<5>& e = x.extents();
  over_cells(e[0], e[1], e[2], e[3], e[4], [&](auto b, auto i, auto j, auto k) {
    const std::int64_t offset = 4 * (i % 2) + 2 * (j % 2) + k % 2;
    std::copy_n(&x(b, i, j, k, 0), e[4], &out(b, i / 2, j / 2, k / 2, offset * e[4]));
  });
}
template void space_to_depth<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, View<Cpu, float, 5>);

template <class Dev, class T>
void image_patches(Queue<Dev>& queue, In<Dev, T, 4> x, int patch, View<Dev, T, 2> out) {
  const std::int64_t p = patch;
  const std::int64_t channels = x.extent(1);
  require(p > 0 && x.extent(2) % p == 0 && x.extent(3) % p == 0, "image_patches", "an image of ", x.extent(2), " x ",
          x.extent(3), " in patches of ", p);
  const std::int64_t high = x.extent(2) / p;
  const std::int64_t wide = x.extent(3) / p;
  require(out.extent(0) == x.extent(0) * high * wide && out.extent(1) == channels * p * p, "image_patches", "out is ",
          out.extent(0), " x ", out.extent(1));
  if (queue.metering()) return;
  over_cells(x.extent(0), high, wide, 1, out.extent(1), [&](auto b, auto i, auto j, auto) {
    float* to = &out((b * high + i) * wide + j, 0);
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t py = 0; py < p; ++py, to += p) std::copy_n(&x(b, c, i * p + py, j * p), p, to);
    }
  });
}
template void image_patches<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 4>, int, View<Cpu, float, 2>);

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
