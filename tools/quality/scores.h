// How close a generated asset comes to the truth.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "assets/mesh.h"
#include "image/image.h"

namespace espalier::quality {

using Point = std::array<float, 3>;

struct FScore {
  double precision = 0.0, recall = 0.0;
  [[nodiscard]] double value() const { return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0.0; }
};

// Of two sets of points: precision is the share of `found` within `distance` of some point of `truth`, recall the reverse.
// Both are 0 if a set is empty.
[[nodiscard]] FScore point_f_score(std::span<const Point> found, std::span<const Point> truth, float distance);

// Of two sets of voxels [resolution^3], 0 or 1: a voxel is right when the other set has one among its 26 neighbours or itself.
[[nodiscard]] FScore voxel_f_score(std::span<const std::uint8_t> found, std::span<const std::uint8_t> truth, int resolution);

// `count` points spread evenly over the triangles by area, always the same for the same mesh.
[[nodiscard]] std::vector<Point> points_on(const Mesh& mesh, int count);

// The mesh with the faces alone that one of 60 views from all around sees; vertices stay.
[[nodiscard]] Mesh seen_from_outside(const Mesh& mesh);

// Peak signal-to-noise ratio in dB over the pixels that are more than half covered in one of the images. Both RGBA,
// premultiplied, of one size. Without such pixels, or equal ones there: 99.
[[nodiscard]] double psnr_in_union(const Image& found, const Image& truth);

// Mean difference per channel (0 ... 255) of `found` from `named` over the points whose true colour is `named`; nothing where
// these are fewer than `least`.
[[nodiscard]] std::optional<double> named_colour_error(std::span<const Point> found, std::span<const Point> truth,
                                                       const Point& named, std::size_t least);

// Linear between neighbours in the sorted order; share from 0 to 1.
[[nodiscard]] double quantile(std::vector<double> values, double share);
[[nodiscard]] double mean(std::span<const double> values);

}  // namespace espalier::quality
