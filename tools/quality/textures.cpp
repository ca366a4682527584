#include "textures.h"

#include <algorithm>
#include <cmath>

#include "api/asset.h"
#include "bake/delight.h"
#include "bake/texels.h"
#include "geometry/mesh/mesh_report.h"
#include "geometry/mesh/triangle_tree.h"
#include "image/colour.h"
#include "scores.h"

namespace espalier::quality {
namespace {

constexpr int kTextureSize = 512;
constexpr std::size_t kTexels = 20'000;
constexpr double kOff = 24;  // of 255
constexpr int kPoints = 20'000;

float linear_of(std::uint8_t byte) { return linear_of_srgb(static_cast<float>(byte) / 255.0F); }

// Texels all over the surface, and the plain colour of the object there.
struct Places {
  std::vector<std::size_t> texels;
  ColouredPoints truth;
};
Places places_on(const Mesh& mesh, const HeldOutObject& object) {
  const Texels texels = texels_of(mesh, kTextureSize);
  std::vector<std::size_t> covered;
  for (std::size_t i = 0; i < texels.face.size(); ++i) {
    if (texels.face[i] != 0) covered.push_back(i);
  }
  Places places;
  std::vector<Point> points;
  for (std::size_t i = 0; i < covered.size(); i += covered.size() / kTexels + 1) {
    const std::size_t texel = covered[i];
    const auto p = value_at<3>(mesh, mesh.vertices, texels.face[texel] - 1, texels.weights(texel));
    points.push_back({static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2])});
    places.texels.push_back(texel);
  }
  places.truth = object.closest_on_surface(points);
  return places;
}

TextureError error_of(const Image& texture, const Places& places) {
  double found_true = 0, found_found = 0;
  const auto byte = [&](std::size_t i, std::size_t k) { return texture.pixels[3 * places.texels[i] + k]; };
  for (std::size_t i = 0; i < places.texels.size(); ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      const double found = linear_of(byte(i, k)), wanted = linear_of_srgb(places.truth.colours[i][k]);
      found_true += found * wanted;
      found_found += found * found;
    }
  }
  const double gain = found_found > 0 ? found_true / found_found : 1;
  std::vector<double> plain, scaled, off;
  for (std::size_t i = 0; i < places.texels.size(); ++i) {
    double largest = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const double wanted = 255.0 * places.truth.colours[i][k];
      const auto lit = static_cast<float>(std::clamp(gain * linear_of(byte(i, k)), 0.0, 1.0));
      plain.push_back(std::abs(byte(i, k) - wanted));
      scaled.push_back(std::abs(255.0 * srgb_of_linear(lit) - wanted));
      largest = std::max(largest, scaled.back());
    }
    off.push_back(largest > kOff ? 1 : 0);
  }
  return {mean(plain), mean(scaled), mean(off)};
}

// Points of the faces that views from outside see, against the finished surface.
double surface_error_of(const Mesh& decoded, const Mesh& finished) {
  const Mesh visible = seen_from_outside(decoded);
  const MeshReport report = report_of(visible);
  const double diagonal =
      std::hypot(report.high[0] - report.low[0], report.high[1] - report.low[1], report.high[2] - report.low[2]);
  const TriangleTree tree(finished);
  std::vector<double> squares;
  for (const Point& p : points_on(visible, kPoints)) {
    const double distance = tree.closest({double{p[0]}, double{p[1]}, double{p[2]}}, diagonal).distance;
    squares.push_back(distance * distance);
  }
  return diagonal > 0 ? std::sqrt(mean(squares)) / diagonal : 0;
}

}  // namespace

FinishedErrors finished_errors_of(const Asset& asset, const HeldOutObject& object, std::span<const double> strengths,
                                  const std::string& device) {
  FinishRequest request;
  request.texture_size = kTextureSize;
  const Asset finished = finish(asset, request, device);
  const FinishedMesh& made = *finished.data().finished;
  const Places places = places_on(made.mesh, object);
  FinishedErrors errors{.surface = surface_error_of(*asset.data().mesh, made.mesh), .textures = {}};
  for (const double strength : strengths) {
    Image texture = made.texture;
    (void)delight(made.mesh, strength, texture);
    errors.textures.push_back(error_of(texture, places));
  }
  return errors;
}

}  // namespace espalier::quality
