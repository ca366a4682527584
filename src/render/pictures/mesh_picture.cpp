#include "render/pictures/mesh_picture.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "image/colour.h"
#include "parallel/parallel_for.h"
#include "render/pictures/mesh_shading.h"
#include "render/pictures/pixels.h"
#include "render/pictures/texture_sampler.h"
#include "render/raster/raster_draw.h"
#include "render/raster/triangle_rasteriser.h"
#include "render/raster/vector.h"

namespace espalier {

namespace {

using Style = MeshLook::Style;

constexpr std::pair<Style, std::string_view> kNames[] = {
    {Style::colour, "colour"},   {Style::textured, "textured"},   {Style::clay, "clay"},
    {Style::normals, "normals"}, {Style::wireframe, "wireframe"}, {Style::uv_checker, "uv-checker"},
};

Vec3 load3(const std::vector<float>& values, std::int64_t row) {
  const float* v = &values[static_cast<std::size_t>(row) * 3];
  return {{v[0], v[1], v[2]}};
}

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
    if (!std::isfinite(dot(area, area))) continue;
    for (int k = 0; k < 3; ++k) normals[static_cast<std::size_t>(face[k])] = normals[static_cast<std::size_t>(face[k])] + area;
  }
  return normals;
}

// Rows [first, first + rows) of an image, as an image of their own.
Camera strip_of(const Camera& camera, int height, int first, int rows) {
  Camera strip = camera;
  const auto h = static_cast<float>(rows);
  strip.fy = camera.fy * static_cast<float>(height) / h;
  strip.cy = (camera.cy * static_cast<float>(height) - static_cast<float>(first)) / h;
  return strip;
}

// What a sample shows of a face.
struct Spot {
  const std::int32_t* corners;
  float b[3];
  float b_right[3], b_down[3];  // weights one sample to the right and one below
  bool front;

  [[nodiscard]] float mix(const std::vector<float>& values, std::int64_t columns, std::int64_t column, const float w[3]) const {
    float sum = 0.0F;
    for (int k = 0; k < 3; ++k) sum += w[k] * values[static_cast<std::size_t>(corners[k] * columns + column)];
    return sum;
  }
};

void set_weights(const raster::Weights& w, float b[3]) {
  b[0] = w.b0;
  b[1] = w.b1;
  b[2] = 1.0F - w.b0 - w.b1;
}

}  // namespace

std::string_view name_of(Style style) {
  for (const auto& [value, name] : kNames) {
    if (value == style) return name;
  }
  return "";
}

Style mesh_style_of(std::string_view name) {
  std::string names;
  for (const auto& [value, known] : kNames) {
    if (known == name) return value;
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  fail(ErrorCode::invalid_argument, "no style of meshes is called '", name, "'", hint("there are ", names));
}

struct MeshPainter::State {
  Queue<Cpu>& queue;
  const Mesh& mesh;
  std::vector<Vec3> normals;
  std::optional<TextureSampler> texture;
  TriangleRasteriser<Cpu> rasteriser;
  std::vector<std::int32_t> faces;  // of the samples of a strip
  std::vector<float> weights;

  State(Queue<Cpu>& q, const Mesh& m, const Picture* t) : queue(q), mesh(m), rasteriser(q, m) {
    const auto fits = [&](const std::vector<float>& values, std::size_t columns) {
      return values.empty() || values.size() == mesh.vertices.size() / 3 * columns;
    };
    require(fits(mesh.colours, 3) && fits(mesh.normals, 3) && fits(mesh.uvs, 2), "MeshPainter",
            "colours, normals or texture coordinates of another number of vertices");
    normals = vertex_normals(mesh);
    if (t != nullptr) texture.emplace(*t);
  }

  void check(const MeshLook& look, const PictureOptions& options) const {
    constexpr int kMaxSide = 8192, kMaxSamples = 8;
    if (options.width < 1 || options.height < 1 || options.width > kMaxSide || options.height > kMaxSide ||
        options.samples < 1 || options.samples > kMaxSamples ||
        std::max(options.width, options.height) * options.samples > kMaxRasterSide) {
      fail(ErrorCode::invalid_argument, "an image of ", options.width, " x ", options.height, " pixels with ", options.samples,
           " samples per direction is not possible",
           hint("choose 1 to ", kMaxSide, " pixels, 1 to ", kMaxSamples, " samples, and at most ", kMaxRasterSide,
                " samples in all on a side"));
    }
    if (look.style == Style::textured && !texture) {
      fail(ErrorCode::invalid_argument, "the mesh has no texture", hint("choose another style than textured"));
    }
    if ((look.style == Style::textured || look.style == Style::uv_checker) && mesh.uvs.empty() && !mesh.faces.empty()) {
      fail(ErrorCode::invalid_argument, "the mesh has no texture coordinates",
           hint("unwrap it first, or choose another style than ", name_of(look.style)));
    }
  }

  // Whether the look mixes its samples as linear light, or as they are stored.
  static bool is_linear(const MeshLook& look) {
    return look.style != Style::normals && (look.lit || (look.style != Style::colour && look.style != Style::textured));
  }

  [[nodiscard]] Vec3 normal_at(const Spot& spot, const Camera& camera) const {
    Vec3 n{};
    for (int k = 0; k < 3; ++k) n = n + normals[static_cast<std::size_t>(spot.corners[k])] * spot.b[k];
    // Towards the viewer, whichever way the face is wound.
    const Vec3 a = load3(mesh.vertices, spot.corners[0]);
    const Vec3 across = cross(load3(mesh.vertices, spot.corners[1]) - a, load3(mesh.vertices, spot.corners[2]) - a);
    n = normalised_or(n, {{0, 0, 0}}) * (spot.front == (dot(across, n) >= 0.0F) ? 1.0F : -1.0F);
    Vec3 turned{};
    for (int i = 0; i < 3; ++i) {
      const float* row = &camera.rotation[std::size_t{3} * static_cast<std::size_t>(i)];
      turned[i] = row[0] * n[0] + row[1] * n[1] + row[2] * n[2];
    }
    return normalised_or(turned, {{0.0F, 0.0F, -1.0F}});
  }

  // Coordinates in the texture, and the larger side of what a sample covers of it.
  struct TexturePoint {
    float u, v, footprint;
  };
  [[nodiscard]] TexturePoint texture_point(const Spot& spot) const {
    const auto uv = [&](std::int64_t column, const float w[3]) { return spot.mix(mesh.uvs, 2, column, w); };
    const float u = uv(0, spot.b), v = uv(1, spot.b);
    const float right = std::hypot(uv(0, spot.b_right) - u, uv(1, spot.b_right) - v);
    const float down = std::hypot(uv(0, spot.b_down) - u, uv(1, spot.b_down) - v);
    return {u, v, std::max(right, down)};
  }

  // Colour of a sample: linear or as stored, as is_linear() says.
  [[nodiscard]] Vec3 shade(const Spot& spot, const Camera& camera, const MeshLook& look, float pixels_per_sample) const {
    const bool linear = is_linear(look);
    const auto lit = [&](const Vec3& colour) { return colour * soft_light(normal_at(spot, camera)); };
    const auto finished = [&](const Vec3& srgb) { return linear ? lit(linear_by_table(srgb)) : srgb; };
    switch (look.style) {
      case Style::colour: {
        Vec3 colour = {{kLightGray, kLightGray, kLightGray}};
        for (int c = 0; c < 3 && !mesh.colours.empty(); ++c) colour[c] = spot.mix(mesh.colours, 3, c, spot.b);
        return finished(colour);
      }
      case Style::textured: {
        const TexturePoint p = texture_point(spot);
        return finished(texture->at(p.u, p.v, p.footprint * static_cast<float>(texture->larger_side())));
      }
      case Style::normals: {
        const Vec3 n = normal_at(spot, camera);
        return {{0.5F + 0.5F * n[0], 0.5F - 0.5F * n[1], 0.5F - 0.5F * n[2]}};
      }
      case Style::uv_checker: {
        const TexturePoint p = texture_point(spot);
        return lit(linear_by_table(checker(p.u, p.v, p.footprint)));
      }
      case Style::wireframe: {
        float distances[3], heights[3];
        for (int k = 0; k < 3; ++k) {
          heights[k] = pixels_per_sample / std::hypot(spot.b_right[k] - spot.b[k], spot.b_down[k] - spot.b[k]);
          distances[k] = spot.b[k] * heights[k];
        }
        const float line = line_share(distances, heights, look.line_width);
        return lit(kClay) * (1.0F - line) + kLine * line;
      }
      case Style::clay: break;
    }
    return lit(kClay);
  }

  // Draws rows [first, first + rows) into the image.
  void draw_strip(const Camera& camera, int first, int rows, const MeshLook& look, const PictureOptions& options,
                  Picture& out) {
    const int n = options.samples;
    const std::int64_t width = std::int64_t{n} * options.width, height = std::int64_t{n} * rows;
    const Camera strip = strip_of(camera, options.height, first, rows);
    faces.resize(static_cast<std::size_t>(width * height));
    weights.resize(static_cast<std::size_t>(2 * width * height));
    rasteriser.render(strip, {{faces.data(), {height, width}}, {weights.data(), {height, width, 2}}, {}});
    const raster::Frame frame{static_cast<std::int32_t>(width), static_cast<std::int32_t>(height), kNearPlane};
    const raster::CameraStep project = raster::camera_step(strip, frame);
    const bool linear = is_linear(look);
    parallel_for(rows, 1, [&](std::int64_t row) {
      for (std::int64_t column = 0; column < options.width; ++column) {
        Vec3 sum{};
        int hits = 0;
        for (std::int64_t y = row * n; y < (row + 1) * n; ++y) {
          for (std::int64_t x = column * n; x < (column + 1) * n; ++x) {
            const std::int64_t at = y * width + x;
            const std::int32_t face = faces[static_cast<std::size_t>(at)];
            if (face == 0) continue;
            const float* w = &weights[static_cast<std::size_t>(2 * at)];
            const Spot spot = spot_at(face - 1, {w[0], w[1]}, x, y, frame, project);
            sum = sum + shade(spot, camera, look, 1.0F / static_cast<float>(n));
            ++hits;
          }
        }
        Vec3 mean = sum * (hits > 0 ? 1.0F / static_cast<float>(hits) : 0.0F);
        for (int c = 0; c < 3 && linear; ++c) mean[c] = srgb_of_linear(std::clamp(mean[c], 0.0F, 1.0F));
        write_pixel(mean, static_cast<float>(hits) / static_cast<float>(n * n), options.background,
                    out.at(static_cast<int>(column), first + static_cast<int>(row)));
      }
    });
  }

  [[nodiscard]] Spot spot_at(std::int32_t face, const raster::Weights& w, std::int64_t x, std::int64_t y,
                             const raster::Frame& frame, const raster::CameraStep& project) const {
    Spot spot{};
    spot.corners = &mesh.faces[static_cast<std::size_t>(face) * 3];
    raster::Homogeneous v[3];
    for (int k = 0; k < 3; ++k) v[k] = project(&mesh.vertices[static_cast<std::size_t>(spot.corners[k]) * 3]);
    const float px = static_cast<float>(2 * x + 1 - frame.width) * 0.5F;
    const float py = static_cast<float>(2 * y + 1 - frame.height) * 0.5F;
    set_weights(w, spot.b);
    set_weights(raster::weights_at(v, px + 1.0F, py), spot.b_right);
    set_weights(raster::weights_at(v, px, py + 1.0F), spot.b_down);
    // Rows grow downwards, so that fronts run clockwise around the eye.
    spot.front = v[0].x * (v[1].y * v[2].w - v[2].y * v[1].w) - v[0].y * (v[1].x * v[2].w - v[2].x * v[1].w) +
                     v[0].w * (v[1].x * v[2].y - v[2].x * v[1].y) <
                 0.0F;
    return spot;
  }
};

MeshPainter::MeshPainter(Queue<Cpu>& queue, const Mesh& mesh, const Picture* texture)
    : state_(std::make_unique<State>(queue, mesh, texture)) {}
MeshPainter::~MeshPainter() = default;

Picture MeshPainter::draw(const Camera& camera, const MeshLook& look, const PictureOptions& options) {
  state_->check(look, options);
  Picture image(options.width, options.height, options.background ? 3 : 4);
  constexpr std::int64_t kStripSamples = std::int64_t{1} << 21;  // cancelled between two strips
  const std::int64_t row_samples = std::int64_t{options.width} * options.samples * options.samples;
  const int step = static_cast<int>(std::clamp<std::int64_t>(kStripSamples / row_samples, 1, options.height));
  for (int first = 0; first < options.height; first += step) {
    state_->queue.check();
    state_->draw_strip(camera, first, std::min(step, options.height - first), look, options, image);
  }
  return image;
}

Picture mesh_picture(const Mesh& mesh, const Camera& camera, const MeshLook& look, const PictureOptions& options,
                     const Picture* texture) {
  Queue<Cpu> queue;
  return MeshPainter(queue, mesh, texture).draw(camera, look, options);
}

}  // namespace espalier
