// What can be seen through: the faces behind each sample one layer after another, from the nearest on (depth peeling,
// Everitt 2001).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "assets/mesh.h"
#include "render/raster/raster_steps.h"

namespace espalier {

class LayerPeeler {
 public:
  struct Hit {
    float depth = 0.0F;
    std::int32_t face = -1;  // -1: nothing more
    raster::Weights weights{};
  };

  // `faces` of the mesh, in an image of frame's size. Samples lie in rows; `opaque` has the depth that ends each of them, or
  // 0 where nothing does.
  LayerPeeler(const Mesh& mesh, std::span<const std::int32_t> faces, const raster::CameraStep& project,
              const raster::Frame& frame, std::span<const float> opaque);
  // Moves to the next layer; false when no sample has one. A sample that is done stays at nothing.
  bool next();
  [[nodiscard]] const Hit& at(std::int64_t sample) const { return hits_[static_cast<std::size_t>(sample)]; }
  // Nothing more is wanted of this sample.
  void finish(std::int64_t sample) { done_[static_cast<std::size_t>(sample)] = 1; }

 private:
  struct Face {
    std::int32_t index;
    raster::Homogeneous v[3];
    std::int64_t left, right, top, bottom;  // samples that it may cover
  };
  [[nodiscard]] static bool inside(const Face& face, float x, float y, raster::Weights& weights, float& depth);
  void scan(std::int64_t first_row, std::int64_t last_row);

  raster::Frame frame_;
  std::span<const float> opaque_;
  std::vector<Face> faces_;
  std::vector<Hit> hits_, before_;
  std::vector<std::uint8_t> done_;
  bool started_ = false;
};

}  // namespace espalier
