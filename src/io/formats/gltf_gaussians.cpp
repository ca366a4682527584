// KHR_gaussian_splatting: points of glTF that are Gaussians.
#include <cmath>

#include "io/formats/gaussian_builder.h"
#include "io/formats/gltf_scene.h"

namespace espalier::reader {

namespace {

constexpr const char* kSplatting = "KHR_gaussian_splatting";

// A turn, one scale and a movement, which Gaussians can follow.
struct Placement {
  std::array<double, 4> turn{};  // w x y z
  double scale = 1.0;
  bool turned = false;
};

std::optional<Placement> placement_of(const GltfMatrix& m) {
  Placement out;
  const auto length = [&](std::size_t c) { return std::hypot(m[4 * c], m[4 * c + 1], m[4 * c + 2]); };
  out.scale = length(0);
  constexpr double kSame = 1e-4;
  for (std::size_t c = 1; c < 3; ++c) {
    if (std::abs(length(c) - out.scale) > kSame * out.scale) return std::nullopt;
  }
  if (!(out.scale > 0.0) || determinant(m) <= 0.0) return std::nullopt;
  const auto r = [&](std::size_t row, std::size_t column) { return m[4 * column + row] / out.scale; };
  // Of the four ways to find it the one that divides by the largest number.
  const std::array<double, 4> squares = {1 + r(0, 0) + r(1, 1) + r(2, 2), 1 + r(0, 0) - r(1, 1) - r(2, 2),
                                         1 - r(0, 0) + r(1, 1) - r(2, 2), 1 - r(0, 0) - r(1, 1) + r(2, 2)};
  const auto best = static_cast<std::size_t>(std::max_element(squares.begin(), squares.end()) - squares.begin());
  const double s = 2.0 * std::sqrt(squares[best]);
  const double a = r(2, 1) - r(1, 2), b = r(0, 2) - r(2, 0), c = r(1, 0) - r(0, 1);
  const double d = r(0, 1) + r(1, 0), e = r(0, 2) + r(2, 0), f = r(1, 2) + r(2, 1);
  const std::array<std::array<double, 4>, 4> ways = {
      {{s / 4, a / s, b / s, c / s}, {a / s, s / 4, d / s, e / s}, {b / s, d / s, s / 4, f / s}, {c / s, e / s, f / s, s / 4}}};
  out.turn = ways[best];
  out.turned = std::abs(out.turn[0]) < 1.0 - 1e-9;
  return out;
}

std::array<double, 4> multiplied(const std::array<double, 4>& p, const std::array<double, 4>& q) {
  return {p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3], p[0] * q[1] + p[1] * q[0] + p[2] * q[3] - p[3] * q[2],
          p[0] * q[2] - p[1] * q[3] + p[2] * q[0] + p[3] * q[1], p[0] * q[3] + p[1] * q[2] - p[2] * q[1] + p[3] * q[0]};
}

// One primitive where it is shown.
struct Cloud {
  const GltfJson* primitive;
  GltfMatrix to_world;
  std::size_t count;
  int degree;
};

class Reader {
 public:
  explicit Reader(const Source& source) : source_(source), document_(source), scene_(document_) {}

  GaussianFile read() {
    scene_.walk([&](const GltfJson&, std::uint64_t mesh, const GltfMatrix& to_world) { collect(mesh, to_world); });
    if (others_ > 0) source_.left_out(others_, " parts that are not Gaussians are left out: this reads the Gaussians");
    std::uint64_t count = 0;
    int degree = clouds_.empty() ? 0 : 3;
    bool differ = false;
    for (const Cloud& cloud : clouds_) {
      count += cloud.count;
      differ = differ || cloud.degree != clouds_.front().degree;
      degree = std::min(degree, cloud.degree);
    }
    if (differ) source_.left_out("harmonics above degree ", degree, " are left out: not all parts have them");
    harmonics_.resize(3 * kHarmonicsOfDegree[static_cast<std::size_t>(degree)]);
    GaussianBuilder builder(source_, document_.binary() ? "GLB" : "glTF", count, harmonics_.size(), 0, Quarter::forward);
    for (const Cloud& cloud : clouds_) add(cloud, builder);
    return builder.finish();
  }

 private:
  void collect(std::uint64_t mesh, const GltfMatrix& to_world) {
    const GltfJson* primitives = GltfDocument::find(document_.item("meshes", mesh), "primitives");
    if (primitives == nullptr || !primitives->is_array()) source_.damaged("mesh ", mesh, " has no primitives");
    for (const GltfJson& primitive : *primitives) {
      source_.visit();
      const GltfJson* splatting = GltfDocument::extension(primitive, kSplatting);
      if (splatting == nullptr) {
        ++others_;
        continue;
      }
      check_kind(*splatting);
      Cloud cloud{&primitive, to_world, 0, 0};
      cloud.count = attribute(primitive, "POSITION", 3).count;
      while (cloud.degree < 3 && has(primitive, cloud.degree + 1)) ++cloud.degree;
      const auto placed = placement_of(to_world);
      if (!placed)
        source_.unsupported("its Gaussians are stretched or mirrored by a node, which is not read",
                            hint("apply the transformation first"));
      if (placed->turned && cloud.degree > 0) {
        source_.left_out("harmonics of Gaussians that a node turns are left out");
        cloud.degree = 0;
      }
      clouds_.push_back(cloud);
    }
  }

  void check_kind(const GltfJson& splatting) const {
    const GltfJson* packed = GltfDocument::find(splatting, "extensions");
    if (packed != nullptr && packed->is_object() && !packed->empty())
      source_.unsupported("its Gaussians are packed by ", packed->begin().key().substr(0, 80), ", which is not read",
                          hint("export them without compression"));
    const std::string kernel = document_.text(splatting, "kernel"), space = document_.text(splatting, "colorSpace");
    if (!kernel.empty() && kernel != "ellipse") source_.left_out("the kernel ", kernel.substr(0, 40), " is read as an ellipse");
    if (!space.empty() && space != "srgb_rec709_display")
      source_.left_out("the colours are in ", space.substr(0, 40), ", but are read as sRGB");
  }

  static std::string harmonic(int degree, int index) {
    return str("KHR_gaussian_splatting:SH_DEGREE_", degree, "_COEF_", index);
  }
  static bool has(const GltfJson& primitive, int degree) {
    const GltfJson* attributes = GltfDocument::find(primitive, "attributes");
    return attributes != nullptr && GltfDocument::find(*attributes, harmonic(degree, 0).c_str()) != nullptr;
  }

  GltfAccessor attribute(const GltfJson& primitive, const std::string& name, std::size_t width) {
    const GltfJson* attributes = GltfDocument::find(primitive, "attributes");
    if (attributes == nullptr || GltfDocument::find(*attributes, name.c_str()) == nullptr)
      source_.damaged("its Gaussians have no ", name);
    const GltfAccessor a = document_.accessor(document_.natural(*attributes, name.c_str(), 0));
    if (a.width != width) source_.damaged(name, " has ", a.width, " components");
    return a;
  }

  // splat-transform wrote the logarithms of scales until June 2026. Among scales as they should be one at least is positive.
  bool are_logarithms(const GltfAccessor& scales) const {
    bool negative = false;
    for (std::size_t i = 0; i < scales.count; ++i) {
      source_.tick();
      for (std::size_t k = 0; k < 3; ++k) {
        if (scales.at(i, k) > 0.0) return false;
        negative = negative || scales.at(i, k) < 0.0;
      }
    }
    if (negative) source_.left_out("the scales of the Gaussians are read as logarithms: none is positive");
    return negative;
  }

  void add(const Cloud& cloud, GaussianBuilder& builder) {
    const auto fitting = [&](const std::string& name, std::size_t width) {
      const GltfAccessor a = attribute(*cloud.primitive, name, width);
      if (a.count != cloud.count) source_.damaged(name, " does not fit the Gaussians");
      return a;
    };
    const GltfAccessor places = fitting("POSITION", 3), rotations = fitting("KHR_gaussian_splatting:ROTATION", 4),
                       scales = fitting("KHR_gaussian_splatting:SCALE", 3),
                       opacities = fitting("KHR_gaussian_splatting:OPACITY", 1), dc = fitting(harmonic(0, 0), 3);
    std::vector<GltfAccessor> rest;
    for (int degree = 1; 3 * kHarmonicsOfDegree[static_cast<std::size_t>(degree)] <= harmonics_.size() && !harmonics_.empty();
         ++degree) {
      for (int k = 0; k < 2 * degree + 1; ++k) rest.push_back(fitting(harmonic(degree, k), 3));
      if (degree == 3) break;
    }
    const Placement placed = *placement_of(cloud.to_world);
    const bool logarithms = are_logarithms(scales);
    for (std::size_t i = 0; i < cloud.count; ++i) {
      GaussianRow row;
      const auto p = transformed(cloud.to_world, {places.at(i, 0), places.at(i, 1), places.at(i, 2)}, 1.0);
      const auto q = multiplied(placed.turn, {rotations.at(i, 3), rotations.at(i, 0), rotations.at(i, 1), rotations.at(i, 2)});
      for (std::size_t k = 0; k < 3; ++k) {
        row.place[k] = static_cast<float>(p[k]);
        row.dc[k] = dc.at(i, k);
        row.scale[k] = (logarithms ? std::exp(scales.at(i, k)) : scales.at(i, k)) * placed.scale;
      }
      for (std::size_t k = 0; k < 4; ++k) row.rotation[k] = static_cast<float>(q[k]);
      row.opacity = opacities.at(i, 0);
      for (std::size_t c = 0; c < rest.size(); ++c) {
        for (std::size_t k = 0; k < 3; ++k) harmonics_[3 * c + k] = static_cast<float>(rest[c].at(i, k));
      }
      row.harmonics = harmonics_;
      builder.add(row);
    }
  }

  const Source& source_;
  GltfDocument document_;
  GltfScene scene_;
  std::vector<Cloud> clouds_;
  std::vector<float> harmonics_;
  std::uint64_t others_ = 0;
};

}  // namespace

GaussianFile read_gltf_gaussians(const Source& source) { return Reader(source).read(); }

}  // namespace espalier::reader
