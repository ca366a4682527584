#include "render/views/mesh_image.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "image/colour.h"
#include "parallel/parallel_for.h"
#include "render/raster/raster_draw.h"
#include "render/raster/triangle_rasteriser.h"
#include "render/raster/vector.h"
#include "render/views/layers.h"
#include "render/views/mesh_shading.h"
#include "render/views/pixels.h"
#include "render/views/texture_sampler.h"

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
  std::int32_t face;
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

// How a mesh looks at a place: its normals, colours, textures and materials.
struct Surface {
  const Mesh& mesh;
  std::vector<Vec3> normals;
  std::vector<Material> materials;  // at least one
  const Appearance* appearance = nullptr;
  std::vector<std::optional<TextureSampler>> textures;  // of the appearance's images
  std::vector<Vec3> linear_colours;                     // of vertices, where they multiply textures
  bool textured = false, one_sided = false, see_through = false;

  explicit Surface(const Mesh& m) : mesh(m) {
    const auto fits = [&](const std::vector<float>& values, std::size_t columns) {
      return values.empty() || values.size() == mesh.vertices.size() / 3 * columns;
    };
    require(fits(mesh.colours, 3) && fits(mesh.normals, 3) && fits(mesh.uvs, 2), "MeshPainter",
            "colours, normals or texture coordinates of another number of vertices");
    normals = vertex_normals(mesh);
  }

  // One texture for all, its alpha not looked at.
  void use(const Image& image) {
    textures.emplace_back(std::in_place, image);
    Material m;
    m.texture = {0, Wrap::clamp, Wrap::clamp, false};
    m.vertex_colours = false;
    materials.assign(1, m);
    textured = true;
  }

  void use(const Appearance& look) {
    require(!look.materials.empty() && look.of_face.size() == mesh.faces.size() / 3, "MeshPainter",
            "an appearance of another mesh");
    appearance = &look;
    materials = look.materials;
    std::vector<bool> by_alpha(look.images.size());
    bool multiplied = false;
    for (const Material& m : materials) {
      textured = textured || m.texture.used() || m.emission_texture.used();
      one_sided = one_sided || !m.double_sided;
      see_through = see_through || m.alpha != AlphaMode::opaque;
      multiplied = multiplied || m.vertex_colours;
      if (m.texture.used() && m.alpha != AlphaMode::opaque) by_alpha[static_cast<std::size_t>(m.texture.image)] = true;
    }
    for (std::size_t i = 0; i < look.images.size(); ++i) textures.emplace_back(std::in_place, look.images[i], by_alpha[i]);
    if (!multiplied || mesh.colours.empty()) return;
    linear_colours.resize(mesh.colours.size() / 3);
    for (std::size_t i = 0; i < linear_colours.size(); ++i)
      linear_colours[i] = linear_by_table(load3(mesh.colours, static_cast<std::int64_t>(i)));
  }

  [[nodiscard]] const Material& material_of(std::int64_t face) const {
    return materials[appearance != nullptr ? static_cast<std::size_t>(appearance->of_face[static_cast<std::size_t>(face)]) : 0];
  }
  // Whether a look follows the materials of an appearance.
  [[nodiscard]] bool follows(const MeshLook& look) const {
    return appearance != nullptr && (look.style == Style::colour || look.style == Style::textured);
  }

  // Whether the look mixes its samples as linear light, or as they are stored.
  [[nodiscard]] bool is_linear(const MeshLook& look) const {
    if (follows(look) && see_through) return true;
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
  [[nodiscard]] static TexturePoint texture_point(const Spot& spot, const std::vector<float>& coordinates) {
    const auto uv = [&](std::int64_t column, const float w[3]) { return spot.mix(coordinates, 2, column, w); };
    const float u = uv(0, spot.b), v = uv(1, spot.b);
    const float right = std::hypot(uv(0, spot.b_right) - u, uv(1, spot.b_right) - v);
    const float down = std::hypot(uv(0, spot.b_down) - u, uv(1, spot.b_down) - v);
    return {u, v, std::max(right, down)};
  }
  [[nodiscard]] TextureSampler::Sample sampled(const Spot& spot, const TextureUse& use, const std::vector<float>& uvs) const {
    const TextureSampler& texture = *textures[static_cast<std::size_t>(use.image)];
    const TexturePoint p = texture_point(spot, uvs);
    return texture.sample(p.u, p.v, p.footprint * static_cast<float>(texture.larger_side()), {use.u, use.v, use.nearest});
  }

  struct Shade {
    Vec3 colour;
    float alpha = 1.0F;
  };

  // Of a material: factor, texture and colour of the vertex multiply each other as light.
  [[nodiscard]] Shade of_material(const Spot& spot, const Material& m, const Camera& camera, const MeshLook& look) const {
    const bool linear = is_linear(look), white = m.factor[0] == 1.0F && m.factor[1] == 1.0F && m.factor[2] == 1.0F;
    const bool imaged = look.style == Style::textured && m.texture.used() && !mesh.uvs.empty();
    const bool multiplied = !linear_colours.empty() && m.vertex_colours;
    Shade out{{{kLightGray, kLightGray, kLightGray}}, m.factor[3]};
    if (imaged) {
      const auto texel = sampled(spot, m.texture, mesh.uvs);
      out.colour = texel.colour;
      out.alpha *= texel.alpha;
    } else if (!mesh.colours.empty()) {
      for (int c = 0; c < 3; ++c) out.colour[c] = spot.mix(mesh.colours, 3, c, spot.b);
    } else if (appearance != nullptr && (textured || !white || m.alpha != AlphaMode::opaque || m.emits())) {
      out.colour = {{1, 1, 1}};
    }
    if (appearance != nullptr && !appearance->alpha.empty()) out.alpha *= spot.mix(appearance->alpha, 1, 0, spot.b);
    const bool lit = look.lit && !m.unlit;
    if (!linear && white && !m.emits() && !(imaged && multiplied)) return out;
    Vec3 light = linear_by_table(out.colour);
    for (int c = 0; c < 3; ++c) {
      light[c] *= m.factor[static_cast<std::size_t>(c)];
      if (imaged && multiplied) light[c] *= vertex_light(spot, c);
    }
    if (lit) light = light * soft_light(normal_at(spot, camera));
    if (m.emits()) light = light + emission(spot, m, look);
    if (linear) return {light, out.alpha};
    for (int c = 0; c < 3; ++c) light[c] = srgb_of_linear(std::clamp(light[c], 0.0F, 1.0F));
    return {light, out.alpha};
  }
  [[nodiscard]] float vertex_light(const Spot& spot, int channel) const {
    float sum = 0.0F;
    for (int k = 0; k < 3; ++k) sum += spot.b[k] * linear_colours[static_cast<std::size_t>(spot.corners[k])][channel];
    return sum;
  }
  [[nodiscard]] Vec3 emission(const Spot& spot, const Material& m, const MeshLook& look) const {
    Vec3 light = {{m.emission[0], m.emission[1], m.emission[2]}};
    if (!m.emission_texture.used() || mesh.uvs.empty() || look.style != Style::textured) return light;
    const std::vector<float>& uvs = appearance->emission_uvs.empty() ? mesh.uvs : appearance->emission_uvs;
    const Vec3 texel = linear_by_table(sampled(spot, m.emission_texture, uvs).colour);
    for (int c = 0; c < 3; ++c) light[c] *= texel[c];
    return light;
  }

  // Colour of a sample: linear or as stored, as is_linear() says.
  [[nodiscard]] Shade shade(const Spot& spot, const Camera& camera, const MeshLook& look, float pixels_per_sample) const {
    const auto lit = [&](const Vec3& colour) { return colour * soft_light(normal_at(spot, camera)); };
    switch (look.style) {
      case Style::colour:
      case Style::textured: return of_material(spot, material_of(spot.face), camera, look);
      case Style::normals: {
        const Vec3 n = normal_at(spot, camera);
        return {{{0.5F + 0.5F * n[0], 0.5F - 0.5F * n[1], 0.5F - 0.5F * n[2]}}};
      }
      case Style::uv_checker: {
        const TexturePoint p = texture_point(spot, mesh.uvs);
        return {lit(linear_by_table(checker(p.u, p.v, p.footprint)))};
      }
      case Style::wireframe: {
        float distances[3], heights[3];
        for (int k = 0; k < 3; ++k) {
          heights[k] = pixels_per_sample / std::hypot(spot.b_right[k] - spot.b[k], spot.b_down[k] - spot.b[k]);
          distances[k] = spot.b[k] * heights[k];
        }
        const float line = line_share(distances, heights, look.line_width);
        return {lit(kClay) * (1.0F - line) + kLine * line};
      }
      case Style::clay: break;
    }
    return {lit(kClay)};
  }
};

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

struct MeshPainter::State : Surface {
  Queue<Cpu>& queue;
  TriangleRasteriser<Cpu> whole;                    // all faces
  std::optional<TriangleRasteriser<Cpu>> chosen;    // those that hide what is behind them, in the view that is drawn
  std::vector<std::int32_t> chosen_faces, layered;  // their numbers, and those of faces that one may see through
  std::vector<std::int32_t> faces;                  // of the samples of a strip
  std::vector<float> weights, depths;

  State(Queue<Cpu>& q, const Mesh& m) : Surface(m), queue(q), whole(q, m) {}

  // Chooses the rasteriser of a view: of the faces that hide what is behind them.
  TriangleRasteriser<Cpu>& choose(const Camera& camera, const MeshLook& look) {
    chosen.reset();
    chosen_faces.clear();
    layered.clear();
    if (!follows(look) || (!one_sided && !see_through)) return whole;
    const auto position = camera.position();
    const Vec3 eye = {{position[0], position[1], position[2]}};
    Mesh part;
    for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
      const std::int32_t* face = &mesh.faces[static_cast<std::size_t>(3 * f)];
      const Material& m = material_of(f);
      const Vec3 a = load3(mesh.vertices, face[0]);
      const Vec3 across = cross(load3(mesh.vertices, face[1]) - a, load3(mesh.vertices, face[2]) - a);
      if (!m.double_sided && !(dot(across, eye - a) > 0.0F)) continue;
      if (m.alpha != AlphaMode::opaque) {
        layered.push_back(static_cast<std::int32_t>(f));
        continue;
      }
      chosen_faces.push_back(static_cast<std::int32_t>(f));
      part.faces.insert(part.faces.end(), face, face + 3);
    }
    part.vertices = mesh.vertices;
    return chosen.emplace(queue, part);
  }

  void check(const MeshLook& look, const ImageOptions& options) const {
    constexpr int kMaxSide = 8192, kMaxSamples = 8;
    if (options.width < 1 || options.height < 1 || options.width > kMaxSide || options.height > kMaxSide ||
        options.samples < 1 || options.samples > kMaxSamples ||
        std::max(options.width, options.height) * options.samples > kMaxRasterSide) {
      fail(ErrorCode::invalid_argument, "an image of ", options.width, " x ", options.height, " pixels with ", options.samples,
           " samples per direction is not possible",
           hint("choose 1 to ", kMaxSide, " pixels, 1 to ", kMaxSamples, " samples, and at most ", kMaxRasterSide,
                " samples in all on a side"));
    }
    if (look.style == Style::textured && !textured) {
      fail(ErrorCode::invalid_argument, "the mesh has no texture", hint("choose another style than textured"));
    }
    if ((look.style == Style::textured || look.style == Style::uv_checker) && mesh.uvs.empty() && !mesh.faces.empty()) {
      fail(ErrorCode::invalid_argument, "the mesh has no texture coordinates",
           hint("unwrap it first, or choose another style than ", name_of(look.style)));
    }
  }

  // What a sample has gathered from the front to the back, and how much of what is behind shows through.
  struct Gathered {
    Vec3 colour{};
    float through = 1.0F;
  };

  // The layers in front of what is opaque.
  void gather_layers(const raster::CameraStep& project, const raster::Frame& frame, const Camera& camera, const MeshLook& look,
                     float pixels_per_sample, std::vector<Gathered>& out) {
    constexpr int kMostLayers = 64;
    constexpr float kNothing = 1.0F / 512.0F;
    LayerPeeler peeler(mesh, layered, project, frame, depths);
    for (int layer = 0; layer < kMostLayers && peeler.next(); ++layer) {
      queue.check();
      parallel_for(frame.height, 1, [&](std::int64_t y) {
        for (std::int64_t x = 0; x < frame.width; ++x) {
          const std::int64_t at = y * frame.width + x;
          const LayerPeeler::Hit& hit = peeler.at(at);
          if (hit.face < 0) continue;
          const Spot spot = spot_at(hit.face, hit.weights, x, y, frame, project);
          const Shade s = shade(spot, camera, look, pixels_per_sample);
          const Material& m = material_of(hit.face);
          const float alpha =
              m.alpha == AlphaMode::mask ? (s.alpha >= m.alpha_cutoff ? 1.0F : 0.0F) : std::clamp(s.alpha, 0.0F, 1.0F);
          Gathered& g = out[static_cast<std::size_t>(at)];
          g.colour = g.colour + s.colour * (g.through * alpha);
          g.through *= 1.0F - alpha;
          if (g.through < kNothing) peeler.finish(at);
        }
      });
    }
  }

  // Draws rows [first, first + rows) into the image.
  void draw_strip(TriangleRasteriser<Cpu>& rasteriser, const Camera& camera, int first, int rows, const MeshLook& look,
                  const ImageOptions& options, Image& out) {
    const int n = options.samples;
    const std::int64_t width = std::int64_t{n} * options.width, height = std::int64_t{n} * rows;
    const Camera strip = strip_of(camera, options.height, first, rows);
    faces.resize(static_cast<std::size_t>(width * height));
    weights.resize(static_cast<std::size_t>(2 * width * height));
    depths.resize(layered.empty() ? 0 : faces.size());
    Fragments<Cpu> fragments{{faces.data(), {height, width}}, {weights.data(), {height, width, 2}}, {}};
    if (!layered.empty()) fragments.depth = {depths.data(), {height, width}};
    rasteriser.render(strip, fragments);
    const raster::Frame frame{static_cast<std::int32_t>(width), static_cast<std::int32_t>(height), kNearPlane};
    const raster::CameraStep project = raster::camera_step(strip, frame);
    const bool linear = is_linear(look);
    const float pixels_per_sample = 1.0F / static_cast<float>(n);
    std::vector<Gathered> gathered(depths.size());
    if (!layered.empty()) gather_layers(project, frame, camera, look, pixels_per_sample, gathered);
    parallel_for(rows, 1, [&](std::int64_t row) {
      for (std::int64_t column = 0; column < options.width; ++column) {
        Vec3 sum{};
        float covered = 0.0F;
        for (std::int64_t y = row * n; y < (row + 1) * n; ++y) {
          for (std::int64_t x = column * n; x < (column + 1) * n; ++x) {
            const std::int64_t at = y * width + x;
            Gathered g = gathered.empty() ? Gathered{} : gathered[static_cast<std::size_t>(at)];
            const std::int32_t face = faces[static_cast<std::size_t>(at)];
            if (face != 0) {
              const float* w = &weights[static_cast<std::size_t>(2 * at)];
              const std::int32_t index = chosen ? chosen_faces[static_cast<std::size_t>(face - 1)] : face - 1;
              const Spot spot = spot_at(index, {w[0], w[1]}, x, y, frame, project);
              g.colour = g.colour + shade(spot, camera, look, pixels_per_sample).colour * g.through;
              g.through = 0.0F;
            }
            sum = sum + g.colour;
            covered += 1.0F - g.through;
          }
        }
        Vec3 mean = sum * (covered > 0.0F ? 1.0F / covered : 0.0F);
        for (int c = 0; c < 3 && linear; ++c) mean[c] = srgb_of_linear(std::clamp(mean[c], 0.0F, 1.0F));
        write_pixel(mean, covered / static_cast<float>(n * n), options.background,
                    out.at(static_cast<int>(column), first + static_cast<int>(row)));
      }
    });
  }

  [[nodiscard]] Spot spot_at(std::int32_t face, const raster::Weights& w, std::int64_t x, std::int64_t y,
                             const raster::Frame& frame, const raster::CameraStep& project) const {
    Spot spot{};
    spot.face = face;
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

MeshPainter::MeshPainter(Queue<Cpu>& queue, const Mesh& mesh, const Image* texture)
    : state_(std::make_unique<State>(queue, mesh)) {
  state_->materials.resize(1);
  if (texture != nullptr) state_->use(*texture);
}
MeshPainter::MeshPainter(Queue<Cpu>& queue, const Mesh& mesh, const Appearance& appearance)
    : state_(std::make_unique<State>(queue, mesh)) {
  state_->use(appearance);
}
MeshPainter::~MeshPainter() = default;

Image MeshPainter::draw(const Camera& camera, const MeshLook& look, const ImageOptions& options) {
  state_->check(look, options);
  Image image(options.width, options.height, options.background ? 3 : 4);
  TriangleRasteriser<Cpu>& rasteriser = state_->choose(camera, look);
  // Cancelled between two strips; layers take more memory for each sample.
  const std::int64_t strip_samples = std::int64_t{1} << (state_->layered.empty() ? 21 : 19);
  const std::int64_t row_samples = std::int64_t{options.width} * options.samples * options.samples;
  const int step = static_cast<int>(std::clamp<std::int64_t>(strip_samples / row_samples, 1, options.height));
  for (int first = 0; first < options.height; first += step) {
    state_->queue.check();
    state_->draw_strip(rasteriser, camera, first, std::min(step, options.height - first), look, options, image);
  }
  return image;
}

Image mesh_image(const Mesh& mesh, const Camera& camera, const MeshLook& look, const ImageOptions& options,
                 const Image* texture) {
  Queue<Cpu> queue;
  return MeshPainter(queue, mesh, texture).draw(camera, look, options);
}

}  // namespace espalier
