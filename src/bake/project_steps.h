// The steps of projecting images, called once per pixel, row or texel as those of bake_steps.h.
#pragma once

#include "bake/bake_steps.h"

namespace espalier::baking {

// A textured mesh on a device.
struct TexturedFaces {
  const std::int32_t* faces;    // [F, 3]
  const float* uvs;             // [V, 2]
  const std::uint8_t* texture;  // [size, size, 3]
  int size;

  ESPALIER_DEVICE_CODE void colour(std::int64_t face, const float* barycentric, float out[3]) const {
    const TexturePlace place = place_of(faces, uvs, face, barycentric);
    const Footprint foot = footprint_at(place.u, place.v, size);
    for (int c = 0; c < 3; ++c) {
      float value = 0.0F;
      for (int k = 0; k < 4; ++k) value += foot.weight[k] * static_cast<float>(texture[3 * foot.texel[k] + c]);
      out[c] = value / 255.0F;
    }
  }
};

// Sums over the pixels of a row: how many both images show, how many at least one; and where both are, per channel, the
// sums of r, p, r r, p p and r p of the colours r of the mesh and p of the image.
inline constexpr int kJudgeSums = 2 + 3 * 5;

struct JudgeRow {
  const std::int32_t* face;  // [pixels]
  const float* barycentric;  // [pixels, 2]
  TexturedFaces mesh;
  const std::uint8_t* image;  // [pixels, 4]
  int size;
  double* sums;  // [rows, kJudgeSums]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t row) const {
    double s[kJudgeSums] = {};
    for (std::int64_t i = row * size; i < (row + 1) * size; ++i) {
      const bool shown = face[i] != 0, imaged = image[4 * i + 3] > 127;
      if (shown || imaged) s[1] += 1.0;
      if (!(shown && imaged)) continue;
      s[0] += 1.0;
      float colour[3];
      mesh.colour(static_cast<std::int64_t>(face[i]) - 1, barycentric + 2 * i, colour);
      for (int c = 0; c < 3; ++c) {
        const double r = colour[c], p = static_cast<double>(image[4 * i + c]) / 255.0;
        double* of_channel = s + 2 + 5 * c;
        of_channel[0] += r;
        of_channel[1] += p;
        of_channel[2] += r * r;
        of_channel[3] += p * p;
        of_channel[4] += r * p;
      }
    }
    for (int k = 0; k < kJudgeSums; ++k) sums[row * kJudgeSums + k] = s[k];
  }
};

// Per pixel: the texture's colour.
struct ShadePixel {
  const std::int32_t* face;
  const float* barycentric;
  TexturedFaces mesh;
  float* colour;  // [pixels, 3]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    float out[3] = {0.0F, 0.0F, 0.0F};
    if (face[i] != 0) mesh.colour(static_cast<std::int64_t>(face[i]) - 1, barycentric + 2 * i, out);
    for (int c = 0; c < 3; ++c) colour[3 * i + c] = out[c];
  }
};

// Per texel: takes an image's colour in.
struct TakeImage {
  TexelView view;
  const float* colour;  // [pixels, 3]
  const float* weight;  // [pixels]
  float* sum;           // [texels, 4]: weighted colour, weight
  float* most;          // [texels] the largest weight of an image
  std::uint8_t* taken;  // [texels] 1 where this image counts

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    taken[i] = 0;
    const TexelView::Place place = view.place(i);
    if (!place.seen) return;
    const Footprint foot = footprint_at(place.u, place.v, view.view_size);
    float shared = 0.0F, mixed[3] = {0.0F, 0.0F, 0.0F};
    for (int k = 0; k < 4; ++k) {
      shared += foot.weight[k] * weight[foot.texel[k]];
      for (int c = 0; c < 3; ++c) mixed[c] += foot.weight[k] * colour[3 * foot.texel[k] + c];
    }
    // Whole from about 45 degrees on, nothing beyond 75.
    const float t = clamped((place.cosine - 0.26F) / 0.44F, 0.0F, 1.0F);
    const float w = shared * t * t * (3.0F - 2.0F * t);
    if (!(w > 0.0F)) return;
    for (int c = 0; c < 3; ++c) sum[4 * i + c] += w * mixed[c];
    sum[4 * i + 3] += w;
    if (w > most[i]) most[i] = w;
    taken[i] = w > 0.1F ? 1 : 0;
  }
};

// Per texel: the baked colour gives way to the mean of the images as far as the best of them counts.
struct BlendImages {
  const float* sum;
  const float* most;
  float* texture;  // [texels, 3]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const float total = sum[4 * i + 3];
    if (!(total > 0.0F)) return;
    for (int c = 0; c < 3; ++c) texture[3 * i + c] += most[i] * (sum[4 * i + c] / total - texture[3 * i + c]);
  }
};

}  // namespace espalier::baking
