// CLIP's text tower (Radford et al. 2021): the text encoder. A causal transformer over token ids, of which all states are used.
#pragma once

#include "models/config.h"
#include "nn/layers.h"
#include "nn/probe.h"

namespace espalier {

struct ClipTextConfig {
  std::int64_t vocabulary = 49408;
  std::int64_t length = 77;  // tokens of a text; the number of positions
  std::int64_t channels = 512, blocks = 12, heads = 8, hidden = 2048;
  Activation activation = Activation::quick_gelu;
  float epsilon = kPlainEpsilon;
  // The arguments of a CLIPTextModel, with the defaults of its configuration; further keys of that are not looked at.
  static ClipTextConfig from(Arguments args);
};

template <class Dev, class T>
class ClipText {
 public:
  ClipText(const ClipTextConfig& config, WeightLoader<Dev>& load);

  // ids [texts * length], each in [0, vocabulary) -> all states after the last norm [texts * length, channels].
  void forward(Queue<Dev>& queue, View<Dev, const std::int32_t, 1> ids, View<Dev, float, 2> states,
               Probe<Dev>* probe = nullptr) const;
  [[nodiscard]] const ClipTextConfig& config() const { return config_; }

 private:
  struct Block {
    Affine<Dev> norm1, norm2;
    Linear<Dev, T> q, k, v, out;
    FeedForward<Dev, T> feed_forward;
  };
  void attend(Queue<Dev>& queue, const Block& block, View<Dev, const T, 2> y, const Packing<Dev>& texts,
              View<Dev, T, 2> h) const;

  ClipTextConfig config_;
  View<Dev, const T, 2> tokens_;     // [vocabulary, channels]
  View<Dev, const T, 2> positions_;  // [length, channels]
  std::vector<Block> blocks_;
  Affine<Dev> last_norm_;
};

}  // namespace espalier
