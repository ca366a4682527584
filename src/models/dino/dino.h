// DINOv2 vision transformer with registers (Oquab et al. 2023, Darcet et al. 2023): the image encoder.
#pragma once

#include "models/config.h"
#include "nn/layers.h"
#include "nn/probe.h"

namespace espalier {

struct DinoConfig {
  int image_size = 518;  // that the stored position embedding belongs to
  int patch_size = 14;
  std::int64_t channels = 0, blocks = 0, heads = 0, hidden = 0;
  int registers = 0;
  bool layer_scale = true;
  bool swiglu = false;  // the giant model's feed-forward layer
  bool qkv_bias = true, projection_bias = true, feed_forward_bias = true;
  int chunks = 0;  // blocks are stored in so many lists; 0: in one, not nested
  // How the position embedding is resampled for other image sizes: with antialiasing or without, and, unless the offset
  // is 0, by the factor (cells + offset) / stored cells instead of to a size.
  bool antialias = true;
  double interpolation_offset = 0.0;
  static DinoConfig from(Arguments args);
  // The public models by name (dinov2_vits14 ... dinov2_vitg14, with or without _reg). Throws unsupported otherwise.
  static DinoConfig named(const std::string& name);
};

// An encoder for images of height x width, both multiples of the patch size.
struct DinoShape {
  DinoConfig config;
  int height = 518, width = 518;
};

template <class Dev, class T>
class Dino {
 public:
  using Shape = DinoShape;
  Dino(const Shape& shape, WeightLoader<Dev>& load);

  [[nodiscard]] std::int64_t tokens() const { return 1 + shape_.config.registers + patches(); }

  // Normalised images [batch, 3, height, width] -> all tokens (class, registers, patches row by row) before the final
  // norm [batch * tokens, channels] and, in `condition`, after a parameter-free layer norm; either may be empty.
  void forward(Queue<Dev>& queue, View<Dev, const float, 4> images, View<Dev, float, 2> prenorm, View<Dev, float, 2> condition,
               Probe<Dev>* probe = nullptr) const;
  [[nodiscard]] const Shape& shape() const { return shape_; }
  // The position embedding for this image size, [1 + patches, channels]; on the host, for tests.
  [[nodiscard]] const std::vector<float>& positions() const { return host_positions_; }

 private:
  struct Block {
    Affine<Dev> norm1, norm2;
    SelfAttention<Dev, T> attention;
    FeedForward<Dev, T> feed_forward;      // unless swiglu
    Linear<Dev, T> gated_in, gated_out;    // with swiglu: [2 hidden, channels], [channels, hidden]
    View<Dev, const T, 2> scale1, scale2;  // [1, channels] or empty
  };
  [[nodiscard]] std::int64_t patches() const {
    const std::int64_t p = shape_.config.patch_size;
    return (shape_.height / p) * (shape_.width / p);
  }
  void embed(Queue<Dev>& queue, View<Dev, const float, 4> images, View<Dev, T, 2> x, Probe<Dev>* probe) const;
  void feed_forward(Queue<Dev>& queue, const Block& block, View<Dev, const T, 2> y, View<Dev, T, 2> h) const;

  Shape shape_;
  std::vector<float> host_positions_;
  Linear<Dev, T> patch_;
  View<Dev, const T, 2> prefix_;     // class token and registers with their positions [1 + registers, channels]
  View<Dev, const T, 2> positions_;  // of the patches [patches, channels]
  std::vector<Block> blocks_;
};

// Bicubic resampling as torch's interpolate: grid [from_h * from_w * channels] -> [to_h * to_w * channels]. With
// antialiasing the kernel has a = -0.5, grows when shrinking and is cut off at the border; without it a = -0.75 and the
// border repeats. Cells are (to + offset) / from apart; offset 0 is resampling to a size.
struct GridResampling {
  int from_h = 0, from_w = 0, to_h = 0, to_w = 0;
  bool antialias = true;
  double offset = 0.0;
};
[[nodiscard]] std::vector<float> resample_grid(const std::vector<float>& grid, const GridResampling& how,
                                               std::int64_t channels);

}  // namespace espalier
