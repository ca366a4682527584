// Layers: views of weights under the names that checkpoints use, and nothing else.
#pragma once

#include <cmath>

#include "ops/attention.h"
#include "ops/gemm.h"
#include "ops/norm.h"
#include "ops/quantised.h"
#include "weights/loader.h"

namespace espalier {

template <class Dev, class T>
struct Linear {
  Linear() = default;
  Linear(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t in, std::int64_t out, bool bias = true,
         LayerRows rows = LayerRows::many)
      : w(load.template take_matrix<T>(prefix + ".weight", {out, in}, rows)) {
    if (bias) b = load.template take<T, 1>(prefix + ".bias", {out});
  }

  void operator()(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> out, Activation activation = Activation::none) const {
    std::visit([&](const auto& matrix) { linear<Dev, T>(queue, x, matrix, b, activation, out); }, w);
  }
  [[nodiscard]] std::int64_t in() const { return extent(1); }
  [[nodiscard]] std::int64_t out() const { return extent(0); }
  [[nodiscard]] bool given() const { return out() > 0; }

  WeightMatrix<Dev, T> w;
  View<Dev, const T, 1> b;  // empty without a bias

 private:
  [[nodiscard]] std::int64_t extent(int i) const {
    return std::visit([&](const auto& matrix) { return matrix.extent(i); }, w);
  }
};

// Gain and bias of a normalisation; float32 in every checkpoint.
template <class Dev>
struct Affine {
  Affine() = default;
  Affine(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t channels)
      : gain(load.template take<float, 1>(prefix + ".weight", {channels})),
        bias(load.template take<float, 1>(prefix + ".bias", {channels})) {}

  template <class T>
  [[nodiscard]] NormTail<Dev, T> tail(Activation activation = Activation::none) const {
    NormTail<Dev, T> t;
    t.gain = gain;
    t.bias = bias;
    t.activation = activation;
    return t;
  }

  View<Dev, const float, 1> gain, bias;
};

// Epsilons of the reference: 1e-6 inside transformer and SLAT residual blocks and everywhere in DINOv2, 1e-5 elsewhere.
inline constexpr float kBlockEpsilon = 1e-6F;
inline constexpr float kPlainEpsilon = 1e-5F;

// The projections of a self attention: names, and which have a bias. As TRELLIS has them; DINOv2 has its own.
struct Projections {
  const char* in = "to_qkv";
  const char* out = "to_out";
  bool in_bias = true, out_bias = true;
};

// Self attention with one packed projection [3, heads, width].
template <class Dev, class T>
struct SelfAttention {
  SelfAttention() = default;
  SelfAttention(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t channels, std::int64_t head_count,
                bool qk_rms_norm, const Projections& names = {})
      : heads(head_count),
        qkv(load, prefix + "." + names.in, channels, 3 * channels, names.in_bias),
        out(load, prefix + "." + names.out, channels, channels, names.out_bias) {
    if (qk_rms_norm) {
      q_gamma = load.template take<float, 2>(prefix + ".q_rms_norm.gamma", {heads, channels / heads});
      k_gamma = load.template take<float, 2>(prefix + ".k_rms_norm.gamma", {heads, channels / heads});
    }
  }

  // result = out_projection(attention(x)); x and result [rows, channels]; result may be x.
  void operator()(Queue<Dev>& queue, In<Dev, T, 2> x, const Packing<Dev>& packing, View<Dev, T, 2> result) const {
    const Frame<Dev> frame(queue.scratch());
    const std::int64_t rows = x.extent(0);
    const std::int64_t channels = out.out();
    const std::int64_t width = channels / heads;
    auto packed = queue.scratch().template take<T, 2>({rows, 3 * channels});
    auto mixed = queue.scratch().template take<T, 2>({rows, channels});
    qkv(queue, x, packed);
    const auto q = head_columns(packed, 0, heads, width);
    const auto k = head_columns(packed, channels, heads, width);
    const auto v = head_columns(packed, 2 * channels, heads, width);
    if (q_gamma.data() != nullptr && k_gamma.data() == q_gamma.data() + q_gamma.size()) {
      // Both gains were loaded one after the other, and q and k lie so too: one pass over both.
      rms_norm_heads<Dev, T>(queue, head_columns(packed, 0, 2 * heads, width), {q_gamma.data(), {2 * heads, width}});
    } else if (q_gamma.data() != nullptr) {
      rms_norm_heads<Dev, T>(queue, q, q_gamma);
      rms_norm_heads<Dev, T>(queue, k, k_gamma);
    }
    attention<Dev, T>(queue, q, k, v, packing, packing, 1.0F / std::sqrt(static_cast<float>(width)),
                      head_columns(mixed, 0, heads, width));
    out(queue, mixed, result);
  }

  std::int64_t heads = 0;
  Linear<Dev, T> qkv, out;
  View<Dev, const float, 2> q_gamma, k_gamma;  // empty without qk_rms_norm
};

// Linear - GELU - Linear.
template <class Dev, class T>
struct FeedForward {
  FeedForward() = default;
  FeedForward(WeightLoader<Dev>& load, const std::string& first, const std::string& second, std::int64_t channels,
              std::int64_t hidden, Activation kind, bool bias = true)
      : in(load, first, channels, hidden, bias), out(load, second, hidden, channels, bias), activation(kind) {}

  void operator()(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> result) const {
    const Frame<Dev> frame(queue.scratch());
    auto hidden = queue.scratch().template take<T, 2>({x.extent(0), in.out()});
    in(queue, x, hidden, activation);
    out(queue, hidden, result);
  }

  Linear<Dev, T> in, out;
  Activation activation = Activation::gelu_tanh;
};

}  // namespace espalier
