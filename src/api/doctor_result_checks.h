// Known-answer checks of the kernel families that make and show results, in float32 on one device: surfaces, triangles,
// Gaussians, radiance fields, textures.
#pragma once

#include <array>
#include <utility>

#include "api/doctor_bench.h"
#include "bake/bake.h"
#include "geometry/surface/surface.h"
#include "ops/representation.h"
#include "render/raster/radiance_field_renderer.h"
#include "render/raster/splat_renderer.h"
#include "render/raster/triangle_rasteriser.h"

namespace espalier {

template <class Dev>
class DoctorResultChecks : private DoctorBench<Dev, float> {
  using Bench = DoctorBench<Dev, float>;

 public:
  using Bench::Bench;

  [[nodiscard]] std::vector<Check> run() {
    add("surface extraction", [&] { return surface(); });
    add("triangles", [&] { return triangles(); });
    add("Gaussian activation", [&] { return activation(); });
    add("splats", [&] { return splats(); });
    add("radiance field", [&] { return radiance_field(); });
    add("baking", [&] { return baking(); });
    return std::move(checks_);
  }

 private:
  using Bench::add;
  using Bench::arena_;
  using Bench::checks_;
  using Bench::error;
  using Bench::get;
  using Bench::queue_;
  using Bench::values;
  using typename Bench::Values;
  static constexpr int kSide = 33;  // odd: the middle of the middle pixel is the middle of the image

  struct View2 {
    View<Dev, float, 3> colour;
    View<Dev, float, 2> alpha;
  };
  [[nodiscard]] View2 frame() {
    return {arena_.template take<float, 3>({kSide, kSide, 3}), arena_.template take<float, 2>({kSide, kSide})};
  }
  // A sphere of radius 0.3 on a grid of 16: every vertex must lie on it to a fraction of a cell.
  double surface() {
    constexpr int side = 16;
    std::vector<std::int32_t> cubes;
    std::vector<float> features;
    for (int i = 0; i < side * side * side; ++i) {
      const std::array<int, 3> c{i / (side * side), i / side % side, i % side};
      cubes.insert(cubes.end(), {0, c[0], c[1], c[2]});
      for (int corner = 0; corner < 8; ++corner) {
        const double x = (c[0] + corner % 2) / 16.0 - 0.5, y = (c[1] + corner / 2 % 2) / 16.0 - 0.5,
                     z = (c[2] + corner / 4) / 16.0 - 0.5;
        features.push_back(static_cast<float>(std::sqrt(x * x + y * y + z * z) - 0.3 + 1.0 / side));
      }
      features.insert(features.end(), 24 + 21, 0.0F);
    }
    const std::int64_t n = side * side * side;
    SurfaceMesh<Dev> mesh;
    const auto allocate = [&](std::int64_t v, std::int64_t f, bool /*colour*/) {
      mesh.vertices = arena_.template take<float, 2>({v, 3});
      mesh.faces = arena_.template take<std::int32_t, 2>({f, 3});
      return mesh;
    };
    const auto features_view = this->template put_as<float, 2>(features, {n, 53});
    // The meshes' memory is taken first, because the extraction hands its own temporaries back at its end.
    const SurfaceMesh<Dev> result =
        extract_surface<Dev>(queue_, this->template put_as<std::int32_t, 2>(cubes, {n, 4}), features_view, side, allocate);
    const Values v = get(result.vertices);
    if (v.empty()) return INFINITY;
    double worst = 0.0;
    for (std::size_t i = 0; i < v.size(); i += 3) {
      const double r = std::sqrt(v[i] * v[i] + v[i + 1] * v[i + 1] + v[i + 2] * v[i + 2]);
      // Linear interpolation of the distance along an edge of 1/16 leaves less than a hundredth of it.
      worst = std::max(worst, std::abs(r - 0.3) * side);
    }
    return worst < 0.1 ? 0.0 : worst;
  }

  // Three faces that look at a camera in the origin: one beyond the image, one across much of it, one of a few pixels.
  double triangles() {
    constexpr int side = 160;
    Mesh mesh;
    mesh.vertices = {-90, -80,   30,    95, -85, 30, 0, 99,     30,     -0.83F, -0.61F, 2,      0.75F, -0.37F,
                     2,   0.11F, 0.79F, 2,  0,   0,  1, 0.043F, 0.006F, 1,      0.012F, 0.037F, 1};
    mesh.faces = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    TriangleRasteriser<Dev> rasteriser(queue_, mesh);
    Fragments<Dev> shown;
    shown.face = arena_.template take<std::int32_t, 2>({side, side});
    shown.depth = arena_.template take<float, 2>({side, side});
    rasteriser.render(Camera{}, shown);
    const Values depth = get(shown.depth);
    double worst = 0.0;
    for (int i = 0; i < side * side; ++i) {
      const double x = (i % side + 0.5) / side - 0.5, y = (i / side + 0.5) / side - 0.5;
      double expected = 0.0, clear = 1.0;
      for (std::size_t f = 0; f < 9; f += 3) {
        std::array<double, 3> inside{};
        for (std::size_t k = 0; k < 3; ++k) {
          const float *a = &mesh.vertices[3 * (f + k)], *b = &mesh.vertices[3 * (f + (k + 1) % 3)];
          const double dx = b[0] / b[2] - a[0] / a[2], dy = b[1] / b[2] - a[1] / a[2];
          inside[k] = (dx * (y - a[1] / a[2]) - dy * (x - a[0] / a[2])) / std::hypot(dx, dy) * side;
        }
        const double least = std::min({inside[0], inside[1], inside[2]});
        clear = std::min(clear, std::abs(least));
        if (least > 0) expected = mesh.vertices[3 * f + 2];
      }
      if (clear > 0.01) worst = std::max(worst, std::abs(depth[static_cast<std::size_t>(i)] - expected));
    }
    return worst;
  }

  double activation() {
    constexpr int n = 7;
    GaussianConfig config;
    config.kernel_size_3d = 0.02F;
    const Values xyz = values("ax", 3 * n), dc = values("ad", 3 * n), scaling = values("as", 3 * n),
                 rotation = values("ar", 4 * n), opacity = values("ao", n);
    const auto fields = [&](bool filled) {
      const auto field = [&](const Values& v, std::int64_t width) -> View<Dev, float, 2> {
        if (!filled) return arena_.template take<float, 2>({n, width});
        return this->template put_as<float, 2>(v, {n, width});
      };
      return GaussianFields<Dev>{field(xyz, 3), field(dc, 3), field(scaling, 3), field(rotation, 4), field(opacity, 1)};
    };
    const GaussianFields<Dev> out = fields(false);
    activate_gaussians<Dev>(queue_, fields(true), config, out);
    const double bias = std::log(std::expm1(static_cast<double>(config.scaling_bias))), kernel = config.kernel_size_3d;
    const double logit = std::log(config.opacity_bias / (1.0 - config.opacity_bias));
    std::vector<double> scales, opacities, turns;
    for (const float f : scaling) scales.push_back(std::hypot(std::log1p(std::exp(f + bias)), kernel));
    for (const float f : opacity) opacities.push_back(1.0 / (1.0 + std::exp(-(f + logit))));
    for (std::size_t g = 0; g < n; ++g) {
      const double q[4] = {1.0 + rotation[4 * g], rotation[4 * g + 1], rotation[4 * g + 2], rotation[4 * g + 3]};
      const double length = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
      for (const double c : q) turns.push_back(c / length);
    }
    return std::max({error(get(out.scaling), scales), error(get(out.opacity), opacities), error(get(out.rotation), turns)});
  }

  // One round Gaussian in the middle: a Gaussian in the image, whose height and width have a closed form.
  double splats() {
    Gaussians g;
    g.xyz = {0, 0, 0};
    g.dc = {1.0F, 0.0F, -1.0F};
    g.scale = {0.05F, 0.05F, 0.05F};
    g.rotation = {1, 0, 0, 0};
    g.opacity = {0.8F};
    const Camera camera = camera_of({});
    const View2 out = frame();
    SplatRenderer<Dev> renderer(queue_, g);
    renderer.render(camera, {.width = kSide, .height = kSide}, out.colour, out.alpha);
    queue_.synchronize();
    const Values alpha = get(out.alpha), colour = get(out.colour);
    const double on_screen = camera.fx * kSide * 0.05 / 2.0, variance = on_screen * on_screen, wider = variance + 0.1;
    double worst = 0.0;
    for (const int dx : {0, 2, -3}) {
      const double expected = 0.8 * variance / wider * std::exp(-0.5 * dx * dx / wider);
      const auto pixel = static_cast<std::size_t>(kSide / 2 * kSide + kSide / 2 + dx);
      worst = std::max(worst, std::abs(alpha[pixel] - expected));
      for (std::size_t c = 0; c < 3; ++c)
        worst = std::max(worst, std::abs(colour[3 * pixel + c] - expected * (0.5 + 0.28209479 * g.dc[c])));
    }
    return worst;
  }

  // A cube of even density: Beer and Lambert along the ray through its middle.
  double radiance_field() {
    constexpr int rank = 8, dim = 4;
    RadianceField field;
    field.resolution = 1;
    field.rank = rank;
    field.dim = dim;
    field.position = {0.5F, 0.5F, 0.5F};
    field.trivec.assign(std::size_t{rank} * 3 * dim, 1.0F);
    field.density.assign(rank, 0.2F);
    field.features_dc.assign(std::size_t{rank} * 3, 0.1F);
    const View2 out = frame();
    RadianceFieldRenderer<Dev> renderer(queue_, field);
    renderer.render(camera_of({}), {.width = kSide, .height = kSide}, out.colour, out.alpha);
    queue_.synchronize();
    constexpr std::size_t middle = kSide / 2 * kSide + kSide / 2;
    const double expected = 1.0 - std::exp(-std::log1p(std::exp(rank * 0.2)));
    const double shown = expected * (0.5 + 0.28209479 * rank * 0.1);
    return std::max(std::abs(get(out.alpha)[middle] - expected), std::abs(get(out.colour)[3 * middle] - shown));
  }

  // Looks the same from everywhere.
  class OneColour final : public ViewSource<Dev> {
   public:
    OneColour(Queue<Dev>& queue, std::array<float, 3> colour) : queue_(queue), colour_(colour) {}
    void render(const Camera& /*camera*/, View<Dev, float, 3> colour, View<Dev, float, 2> alpha) override {
      const Values opaque(static_cast<std::size_t>(alpha.size()), 1.0F);
      Values shown;
      for (std::size_t i = 0; i < opaque.size(); ++i) shown.insert(shown.end(), colour_.begin(), colour_.end());
      upload_bytes(queue_, shown.data(), colour.data(), shown.size() * sizeof(float));
      upload_bytes(queue_, opaque.data(), alpha.data(), opaque.size() * sizeof(float));
    }

   private:
    Queue<Dev>& queue_;
    std::array<float, 3> colour_;
  };
  // A square that has one colour must get a texture of that colour.
  double baking() {
    Mesh mesh;
    mesh.vertices = {-0.3F, 0, -0.3F, 0.3F, 0, -0.3F, 0.3F, 0, 0.3F, -0.3F, 0, 0.3F};
    mesh.faces = {0, 1, 2, 0, 2, 3};
    mesh.uvs = {0.1F, 0.9F, 0.9F, 0.9F, 0.9F, 0.1F, 0.1F, 0.1F};
    for (int v = 0; v < 4; ++v) mesh.normals.insert(mesh.normals.end(), {0, -1, 0});
    OneColour source(queue_, {0.2F, 0.4F, 0.8F});
    double worst = 0.0;
    for (const BakeMode mode : {BakeMode::fast, BakeMode::best}) {
      const BakedTexture baked =
          bake_texture(queue_, mesh, source, {.size = 64, .views = 8, .view_size = 64, .mode = mode}, nullptr);
      if (baked.seen == 0 || baked.image.pixels.empty()) return INFINITY;
      const std::uint8_t* const middle = &baked.image.pixels[static_cast<std::size_t>(3 * (32 * 64 + 32))];
      constexpr std::array<int, 3> expected{51, 102, 204};
      for (std::size_t c = 0; c < 3; ++c) worst = std::max(worst, std::abs(middle[c] - expected[c]) / 255.0);
    }
    return worst <= 1.5 / 255.0 ? 0.0 : worst;
  }
};

}  // namespace espalier
