#include "render/preview.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "image/colour.h"
#include "parallel/parallel_for.h"
#include "render/splat_renderer.h"
#include "render/vector.h"

namespace espalier {

namespace {

constexpr float kNear = 0.05F;
constexpr int kBand = 16;  // rows that one worker draws at a time

// World to camera: x right, y down, z forward, and the scale of the perspective division.
struct Projection {
  Vec3 eye, right, down, forward;
  float focal;   // pixels
  float centre;  // pixels

  Projection(const OrbitCamera& camera, int size) {
    const float cp = std::cos(camera.pitch), sp = std::sin(camera.pitch);
    const Vec3 outward = {std::sin(camera.yaw) * cp, std::cos(camera.yaw) * cp, sp};
    eye = outward * camera.radius;
    forward = outward * -1.0F;
    // Straight from above or below there is no horizon; any right vector does that stays continuous in yaw.
    right = normalised_or(cross(forward, {0.0F, 0.0F, 1.0F}), {-std::cos(camera.yaw), std::sin(camera.yaw), 0.0F});
    down = cross(forward, right);
    const float half = camera.fov_degrees * std::numbers::pi_v<float> / 360.0F;
    centre = static_cast<float>(size) / 2.0F;
    focal = centre / std::tan(half);
  }
  [[nodiscard]] Vec3 to_camera(const Vec3& p) const {
    const Vec3 d = p - eye;
    return {dot(d, right), dot(d, down), dot(d, forward)};
  }
};

Vec3 load3(const std::vector<float>& values, std::int64_t row) {
  const float* v = &values[static_cast<std::size_t>(row) * 3];
  return {v[0], v[1], v[2]};
}

std::uint8_t byte_of(float v) { return static_cast<std::uint8_t>(std::clamp(v, 0.0F, 1.0F) * 255.0F + 0.5F); }

// Colours multiplied by coverage, and the coverage, to a picture.
class Canvas {
 public:
  Canvas(int size, const PreviewOptions& options) : options_(options), picture_(size, size, options.background ? 3 : 4) {}

  // `decode` maps a colour component from the space it was blended in to sRGB.
  template <class Decode>
  void set(int x, int y, const Vec3& premultiplied, float coverage, Decode decode) {
    std::uint8_t* pixel = picture_.at(x, y);
    const float scale = coverage > 0.0F ? 1.0F / coverage : 0.0F;
    for (int c = 0; c < 3; ++c) {
      const float value = decode(premultiplied[c] * scale);
      const float behind =
          options_.background ? static_cast<float>((*options_.background)[static_cast<std::size_t>(c)]) / 255.0F : value;
      pixel[c] = byte_of(value * coverage + behind * (1.0F - coverage));
    }
    if (!options_.background) pixel[3] = byte_of(coverage);
  }
  [[nodiscard]] Picture take() { return std::move(picture_); }

 private:
  const PreviewOptions& options_;
  Picture picture_;
};

// ---- Triangles ----

std::vector<Vec3> vertex_normals(const Mesh& mesh) {
  std::vector<Vec3> normals(static_cast<std::size_t>(mesh.vertex_count()));
  if (!mesh.normals.empty()) {
    for (std::size_t i = 0; i < normals.size(); ++i) normals[i] = load3(mesh.normals, static_cast<std::int64_t>(i));
    return normals;
  }
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    const std::int32_t* face = &mesh.faces[f];
    const Vec3 a = load3(mesh.vertices, face[0]);
    const Vec3 area = cross(load3(mesh.vertices, face[1]) - a, load3(mesh.vertices, face[2]) - a);
    for (int k = 0; k < 3; ++k) normals[static_cast<std::size_t>(face[k])] = normals[static_cast<std::size_t>(face[k])] + area;
  }
  return normals;
}

// What a vertex brings to the picture.
struct Corner {
  float x, y;           // samples
  float inverse_depth;  // 1 / z; 0 when it cannot be drawn
  Vec3 normal;          // towards the camera's axes
  Vec3 colour;          // linear
};

std::vector<Corner> project(const Mesh& mesh, const Projection& view) {
  std::vector<Vec3> normals = vertex_normals(mesh);
  std::vector<Corner> corners(normals.size());
  parallel_for(mesh.vertex_count(), 4096, [&](std::int64_t i) {
    Corner& c = corners[static_cast<std::size_t>(i)];
    const Vec3 p = view.to_camera(load3(mesh.vertices, i));
    const Vec3& n = normals[static_cast<std::size_t>(i)];
    const bool drawable = std::isfinite(p[0]) && std::isfinite(p[1]) && std::isfinite(p[2]) && p[2] > kNear;
    c.inverse_depth = drawable ? 1.0F / p[2] : 0.0F;
    c.x = drawable ? view.centre + view.focal * p[0] / p[2] : 0.0F;
    c.y = drawable ? view.centre + view.focal * p[1] / p[2] : 0.0F;
    c.normal = {dot(n, view.right), dot(n, view.down), dot(n, view.forward)};
    constexpr float kGray = 0.6F;
    c.colour = {kGray, kGray, kGray};
    for (int k = 0; k < 3 && !mesh.colours.empty(); ++k) {
      c.colour[k] = linear_of_srgb(std::clamp(mesh.colours[static_cast<std::size_t>(i * 3 + k)], 0.0F, 1.0F));
    }
  });
  return corners;
}

// Light in camera space: a broad key light from the upper left, a weak one from the right, and a sky. The back of a face
// is lit as if it were the front.
Vec3 shade(const Vec3& colour, Vec3 normal, bool front) {
  normal = normalised_or(normal, {0.0F, 0.0F, -1.0F}) * (front ? 1.0F : -1.0F);
  static constexpr Vec3 kKey = {-0.45F, -0.62F, -0.64F};
  static constexpr Vec3 kFill = {0.75F, -0.1F, -0.65F};
  const auto wrapped = [&](const Vec3& light) {
    const float v = std::max((dot(normal, light) + 0.35F) / 1.35F, 0.0F);
    return v * v;
  };
  const float sky = 0.5F - 0.5F * normal[1];
  const float light = 0.22F + 0.24F * sky + 0.66F * wrapped(kKey) + 0.14F * wrapped(kFill);
  return colour * light;
}

struct Sample {
  float inverse_depth = 0.0F;
  Vec3 colour = {};
};

float edge(const Corner& a, const Corner& b, float x, float y) { return (b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x); }

// Draws one triangle into rows [row_begin, row_end) of the sample grid `side` wide.
void draw_triangle(const std::array<const Corner*, 3>& t, int side, int row_begin, int row_end, std::vector<Sample>& samples) {
  const float area = edge(*t[0], *t[1], t[2]->x, t[2]->y);
  if (area == 0.0F || !std::isfinite(area)) return;
  const auto [x_low, x_high] = std::minmax({t[0]->x, t[1]->x, t[2]->x});
  const auto [y_low, y_high] = std::minmax({t[0]->y, t[1]->y, t[2]->y});
  const auto limit = static_cast<float>(side);
  const int x0 = static_cast<int>(std::clamp(std::floor(x_low), 0.0F, limit));
  const int x1 = static_cast<int>(std::clamp(std::ceil(x_high), 0.0F, limit));
  const int y0 = std::max(row_begin, static_cast<int>(std::clamp(std::floor(y_low), 0.0F, limit)));
  const int y1 = std::min(row_end, static_cast<int>(std::clamp(std::ceil(y_high), 0.0F, limit)));
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) {
      const float px = static_cast<float>(x) + 0.5F, py = static_cast<float>(y) + 0.5F;
      const float w0 = edge(*t[1], *t[2], px, py) / area;
      const float w1 = edge(*t[2], *t[0], px, py) / area;
      const float w2 = 1.0F - w0 - w1;
      if (w0 < 0.0F || w1 < 0.0F || w2 < 0.0F) continue;
      // 1 / z is linear on the screen; attributes are so after division by z.
      const std::array<float, 3> w = {w0 * t[0]->inverse_depth, w1 * t[1]->inverse_depth, w2 * t[2]->inverse_depth};
      const float inverse_depth = w[0] + w[1] + w[2];
      Sample& sample =
          samples[static_cast<std::size_t>(y - row_begin) * static_cast<std::size_t>(side) + static_cast<std::size_t>(x)];
      if (inverse_depth <= sample.inverse_depth) continue;
      const float z = 1.0F / inverse_depth;
      const Vec3 normal = (t[0]->normal * w[0] + t[1]->normal * w[1] + t[2]->normal * w[2]) * z;
      const Vec3 colour = (t[0]->colour * w[0] + t[1]->colour * w[1] + t[2]->colour * w[2]) * z;
      sample = {inverse_depth, shade(colour, normal, area < 0.0F)};  // y points down: fronts run clockwise
    }
  }
}

void check_options(const PreviewOptions& options) {
  constexpr int kMaxSize = 4096;
  if (options.size < 1 || options.size > kMaxSize) {
    fail(ErrorCode::invalid_argument, "a preview of ", options.size, " pixels is not possible; choose 1 to ", kMaxSize);
  }
}

// ---- Gaussians ----

Picture picture_of(SplatRenderer<Cpu>& renderer, const OrbitCamera& camera, const PreviewOptions& options) {
  const std::int64_t size = options.size;
  std::vector<float> colour(static_cast<std::size_t>(3 * size * size)), alpha(static_cast<std::size_t>(size * size));
  renderer.render(camera_of(camera), {.width = options.size, .height = options.size},
                  View<Cpu, float, 3>(colour.data(), {size, size, 3}), View<Cpu, float, 2>(alpha.data(), {size, size}));
  Canvas canvas(options.size, options);
  for (int y = 0; y < options.size; ++y) {
    for (int x = 0; x < options.size; ++x) {
      const std::int64_t at = y * size + x;
      canvas.set(x, y, load3(colour, at), alpha[static_cast<std::size_t>(at)], [](float v) { return v; });
    }
  }
  return canvas.take();
}

// `draw` makes the picture of one camera.
template <class Draw>
Picture sheet_of(Draw&& draw) {
  constexpr float kPi = std::numbers::pi_v<float>;
  constexpr float kYaw = -16.0F / 180.0F * kPi, kPitch = 20.0F / 180.0F * kPi;
  std::vector<Picture> views;
  views.reserve(4);
  for (int i = 0; i < 4; ++i) {
    views.push_back(draw(OrbitCamera{.yaw = kYaw + static_cast<float>(i) * kPi / 2.0F, .pitch = kPitch}));
  }
  return side_by_side(views);
}

}  // namespace

Picture render_preview(const Mesh& mesh, const OrbitCamera& camera, const PreviewOptions& options) {
  check_options(options);
  for (const std::int32_t v : mesh.faces)
    require(v >= 0 && v < mesh.vertex_count(), "render_preview", "a face names vertex ", v);
  constexpr int kSamples = 2;  // per pixel and direction
  const int side = options.size * kSamples;
  const std::vector<Corner> corners = project(mesh, Projection(camera, side));
  Canvas canvas(options.size, options);
  const std::int64_t bands = (options.size + kBand - 1) / kBand;
  parallel_for(bands, 1, [&](std::int64_t band) {
    const int begin = static_cast<int>(band) * kBand;
    const int end = std::min(begin + kBand, options.size);
    std::vector<Sample> samples(static_cast<std::size_t>((end - begin) * kSamples) * static_cast<std::size_t>(side));
    for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
      std::array<const Corner*, 3> t;
      for (std::size_t k = 0; k < 3; ++k) t[k] = &corners[static_cast<std::size_t>(mesh.faces[f + k])];
      if (std::min({t[0]->inverse_depth, t[1]->inverse_depth, t[2]->inverse_depth}) <= 0.0F) continue;
      draw_triangle(t, side, begin * kSamples, end * kSamples, samples);
    }
    for (int y = begin; y < end; ++y) {
      for (int x = 0; x < options.size; ++x) {
        Vec3 sum = {};
        float hits = 0.0F;
        for (int k = 0; k < kSamples * kSamples; ++k) {
          const int row = (y - begin) * kSamples + k / kSamples, column = x * kSamples + k % kSamples;
          const Sample& sample =
              samples[static_cast<std::size_t>(row) * static_cast<std::size_t>(side) + static_cast<std::size_t>(column)];
          sum = sum + sample.colour;
          hits += sample.inverse_depth > 0.0F ? 1.0F : 0.0F;
        }
        constexpr float kShare = 1.0F / (kSamples * kSamples);
        canvas.set(x, y, sum * kShare, hits * kShare, srgb_of_linear);
      }
    }
  });
  return canvas.take();
}

Picture render_preview(const Gaussians& gaussians, const OrbitCamera& camera, const PreviewOptions& options) {
  check_options(options);
  Queue<Cpu> queue;
  SplatRenderer<Cpu> renderer(queue, gaussians);
  return picture_of(renderer, camera, options);
}

Picture side_by_side(std::span<const Picture> pictures) {
  require(!pictures.empty(), "side_by_side", "no pictures");
  int width = 0;
  for (const Picture& p : pictures) {
    require(p.height == pictures[0].height && p.channels == pictures[0].channels, "side_by_side", "pictures of different form");
    width += p.width;
  }
  Picture sheet(width, pictures[0].height, pictures[0].channels);
  for (int y = 0; y < sheet.height; ++y) {
    std::uint8_t* to = sheet.at(0, y);
    for (const Picture& p : pictures) {
      const auto bytes = static_cast<std::size_t>(p.width * p.channels);
      std::memcpy(to, p.at(0, y), bytes);
      to += bytes;
    }
  }
  return sheet;
}

Picture preview_sheet(const Mesh& mesh, const PreviewOptions& options) {
  return sheet_of([&](const OrbitCamera& camera) { return render_preview(mesh, camera, options); });
}
Picture preview_sheet(const Gaussians& gaussians, const PreviewOptions& options) {
  check_options(options);
  Queue<Cpu> queue;
  SplatRenderer<Cpu> renderer(queue, gaussians);
  return sheet_of([&](const OrbitCamera& camera) { return picture_of(renderer, camera, options); });
}

}  // namespace espalier
