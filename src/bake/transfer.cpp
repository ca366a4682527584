#include "bake/transfer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "bake/fill.h"
#include "bake/seams.h"
#include "bake/surface_look.h"
#include "bake/texels.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/triangle_tree.h"
#include "image/colour.h"

namespace espalier {
namespace {

constexpr double kFacing = 0.3;     // cosine from which two faces look the same way
constexpr double kFarther = 4.0;    // times the distance of the closest point at which another one is taken for its normal
constexpr double kThin = 0.1;       // of the reach: and so much at least
constexpr int kMostSamples = 4;     // on a side of a texel
constexpr double kOneTexel = 1.25;  // of the old texture in one of the new, up to which one place is enough

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct Sum {
  std::array<double, 3> colour{}, emission{};
  double weight = 0, alpha = 0;  // weight: of the colour
  int count = 0;
  void add(const SurfaceLook::Shade& shade) {
    // What cannot be seen does not tint its surroundings, unless there is nothing else.
    constexpr double kLeast = 1e-4;
    const double w = std::max(shade.alpha, kLeast);
    for (std::size_t k = 0; k < 3; ++k) {
      colour[k] += w * shade.colour[k];
      emission[k] += shade.emission[k];
    }
    weight += w;
    alpha += shade.alpha;
    ++count;
  }
};

AlphaMode alpha_of(const Appearance& look) {
  AlphaMode mode = AlphaMode::opaque;
  for (const std::int32_t m : look.of_face) {
    const AlphaMode own = look.materials[at(m)].alpha;
    if (own == AlphaMode::blend) return own;
    if (own == AlphaMode::mask) mode = own;
  }
  return mode;
}

float srgb_value(double linear) { return srgb_of_linear(static_cast<float>(std::clamp(linear, 0.0, 1.0))); }

class Transfer {
 public:
  Transfer(const Mesh& from, const Appearance& look, const Mesh& to, const TransferOptions& options, const Monitor* monitor)
      : look_(from, look),
        tree_(from),
        from_(from),
        to_(to),
        options_(options),
        monitor_(monitor),
        texels_(texels_of(to, options.size)),
        known_(texels_.face.size(), 0),
        colour_(3 * texels_.face.size(), 0.0F),
        alpha_(texels_.face.size(), 1.0F) {
    const auto& all = look.materials;
    if (std::any_of(all.begin(), all.end(), [](const Material& m) { return m.emits(); }))
      emission_.resize(colour_.size(), 0.0F);
    measure_faces();
  }

  TransferredLook run(AlphaMode alpha) {
    for_rows(options_.size, monitor_, [&](int row) {
      for (int x = 0; x < options_.size; ++x) take(row, x);
    });
    TransferredLook out;
    for (std::size_t i = 0; i < known_.size(); ++i) {
      if (texels_.face[i] == 0) continue;
      ++out.texels;
      out.carried += known_[i];
    }
    fill_unseen(to_, texels_.face, texels_.barycentric, known_, colour_);
    fill_outside(texels_.face, options_.size, colour_);
    match_seams(to_, options_.size, colour_);
    out.texture = image_of(colour_, options_.size);
    out.alpha = alpha;
    if (alpha != AlphaMode::opaque) add_alpha(out.texture);
    finish_emission(out);
    return out;
  }

 private:
  // A unit of length in texels of the new texture, for each face.
  void measure_faces() {
    density_.resize(at(to_.face_count()));
    parallel_for(to_.face_count(), 1024, [&](std::int64_t f) {
      const std::int32_t* const v = face_of(to_, f);
      const auto uv = [&](int c, std::size_t k) { return double{to_.uvs[2 * at(v[c]) + k]} * options_.size; };
      const double texels =
          std::abs((uv(1, 0) - uv(0, 0)) * (uv(2, 1) - uv(0, 1)) - (uv(2, 0) - uv(0, 0)) * (uv(1, 1) - uv(0, 1)));
      const double area = face_cross(to_, f).norm();
      density_[at(f)] = area > 0 ? std::sqrt(texels / area) : 0;
    });
  }

  [[nodiscard]] std::optional<TriangleTree::Near> source_of(const Point& p, const Point& normal) const {
    TriangleTree::Near near = tree_.closest(p, options_.reach);
    if (near.face < 0) return std::nullopt;
    const Point found = face_cross(from_, near.face);
    if (found.dot(normal) >= kFacing * found.norm()) return near;
    const TriangleTree::Facing facing{normal, kFacing};
    const double most = std::min(options_.reach, std::max(kFarther * near.distance, kThin * options_.reach));
    const TriangleTree::Near same_side = tree_.closest(p, most, &facing);
    return same_side.face >= 0 ? same_side : near;
  }

  // Adds what the old surface shows at a place of the new one; false where it is out of reach.
  bool add(std::int64_t face, const std::array<double, 3>& weights, const Point& normal, Sum& sum) const {
    const std::array<double, 3> p = value_at<3>(to_, to_.vertices, face, weights);
    const auto near = source_of({p[0], p[1], p[2]}, normal);
    if (!near) return false;
    sum.add(look_.at(near->face, near->weights));
    return true;
  }

  // Weights of a face's corners at a place of the texture, drawn to the face where it lies outside.
  [[nodiscard]] std::array<double, 3> weights_at(std::int64_t face, double u, double v) const {
    const std::int32_t* const c = face_of(to_, face);
    const auto uv = [&](int k, std::size_t axis) { return double{to_.uvs[2 * at(c[k]) + axis]}; };
    const double ax = uv(1, 0) - uv(0, 0), ay = uv(1, 1) - uv(0, 1), bx = uv(2, 0) - uv(0, 0), by = uv(2, 1) - uv(0, 1);
    const double det = ax * by - ay * bx, x = u - uv(0, 0), y = v - uv(0, 1);
    if (det == 0) return {1, 0, 0};
    std::array<double, 3> w{0, (x * by - y * bx) / det, (ax * y - ay * x) / det};
    w[0] = 1 - w[1] - w[2];
    for (double& one : w) one = std::max(one, 0.0);
    const double sum = w[0] + w[1] + w[2];
    for (double& one : w) one /= sum;
    return w;
  }

  void take(int row, int x) {
    const std::size_t i = at(row) * at(options_.size) + at(x);
    if (texels_.face[i] == 0) return;
    const std::int64_t face = texels_.face[i] - 1;
    Point normal = face_cross(to_, face);
    if (const double length = normal.norm(); length > 0) normal /= length;
    const std::array<double, 3> middle = texels_.weights(i);
    Sum sum;
    const int side = samples_at(face, middle, normal);
    for (int k = 0; side > 1 && k < side * side; ++k) {
      const double u = (x + (k % side + 0.5) / side) / options_.size, v = (row + (k / side + 0.5) / side) / options_.size;
      (void)add(face, weights_at(face, u, v), normal, sum);
    }
    if (sum.count == 0 && !add(face, middle, normal, sum)) return;
    known_[i] = 1;
    for (std::size_t k = 0; k < 3; ++k) {
      colour_[3 * i + k] = srgb_value(sum.colour[k] / sum.weight);
      if (!emission_.empty()) emission_[3 * i + k] = static_cast<float>(sum.emission[k] / sum.count);
    }
    alpha_[i] = static_cast<float>(sum.alpha / sum.count);
  }

  // On a side of the texel, for as many texels of the old texture as it shows.
  [[nodiscard]] int samples_at(std::int64_t face, const std::array<double, 3>& weights, const Point& normal) const {
    const std::array<double, 3> p = value_at<3>(to_, to_.vertices, face, weights);
    const auto near = source_of({p[0], p[1], p[2]}, normal);
    if (!near || density_[at(face)] <= 0) return 1;
    const double texels = look_.density(near->face) / density_[at(face)];
    return texels <= kOneTexel ? 1 : static_cast<int>(std::min(std::ceil(texels), double{kMostSamples}));
  }

  void add_alpha(Image& texture) const {
    std::vector<float> values(colour_.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = alpha_[i / 3];
    fill_outside(texels_.face, options_.size, values);
    Image out(texture.width, texture.height, 4);
    for (std::size_t i = 0; i < alpha_.size(); ++i) {
      std::copy_n(&texture.pixels[3 * i], 3, &out.pixels[4 * i]);
      out.pixels[4 * i + 3] = static_cast<std::uint8_t>(std::lround(std::clamp(values[3 * i], 0.0F, 1.0F) * 255.0F));
    }
    texture = std::move(out);
  }

  void finish_emission(TransferredLook& out) {
    if (emission_.empty()) return;
    out.emission_strength = *std::max_element(emission_.begin(), emission_.end());
    if (!(out.emission_strength > 0.0F)) {
      out.emission_strength = 0.0F;
      return;
    }
    for (float& value : emission_) value = srgb_value(double{value} / double{out.emission_strength});
    fill_outside(texels_.face, options_.size, emission_);
    match_seams(to_, options_.size, emission_);
    out.emission = image_of(emission_, options_.size);
  }

  SurfaceLook look_;
  TriangleTree tree_;
  const Mesh& from_;
  const Mesh& to_;
  const TransferOptions& options_;
  const Monitor* monitor_;
  Texels texels_;
  std::vector<double> density_;
  std::vector<std::uint8_t> known_;
  std::vector<float> colour_, alpha_, emission_;
};

}  // namespace

TransferredLook transferred_look(const Mesh& from, const Appearance& look, const Mesh& to, const TransferOptions& options,
                                 const Monitor* monitor) {
  return Transfer(from, look, to, options, monitor).run(alpha_of(look));
}

}  // namespace espalier
