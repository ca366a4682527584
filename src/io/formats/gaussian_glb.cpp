#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "image/colour.h"
#include "io/formats/byte_writer.h"
#include "io/formats/checks.h"
#include "io/formats/glb_file.h"
#include "io/formats/gltf_parts.h"
#include "io/formats/quarter_turn.h"
#include "io/formats/splat_files.h"

namespace espalier {

namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kSplatting = "KHR_gaussian_splatting";
constexpr double kHarmonic = 0.28209479177387814;

// Values of all Gaussians, attribute by attribute.
class Attributes {
 public:
  Attributes(ByteWriter& binary, std::size_t count) : binary_(binary), count_(count) {}

  // `row` writes the values of one Gaussian.
  template <class Row>
  Json& add(const std::string& name, const char* type, std::size_t bytes_each, int component, Row row) {
    constexpr int kArrayBuffer = 34962;
    views_.push_back(
        {{"buffer", 0}, {"byteOffset", binary_.size()}, {"byteLength", count_ * bytes_each}, {"target", kArrayBuffer}});
    for (std::size_t i = 0; i < count_; ++i) row(i);
    names_[name] = accessors_.size();
    accessors_.push_back({{"bufferView", views_.size() - 1}, {"componentType", component}, {"count", count_}, {"type", type}});
    return accessors_.back();
  }
  Json names_ = Json::object(), accessors_ = Json::array(), views_ = Json::array();

 private:
  ByteWriter& binary_;
  std::size_t count_;
};

constexpr int kFloat = 5126, kUnsignedShort = 5123;

void add_harmonics(Attributes& attributes, ByteWriter& binary, const Gaussians& g) {
  const auto n = static_cast<std::size_t>(g.count());
  const std::size_t coefficients = g.sh.size() / (3 * n);
  std::size_t k = 0;
  for (int degree = 1; k < coefficients; ++degree) {
    for (int c = 0; c < 2 * degree + 1; ++c, ++k) {
      attributes.add(str("KHR_gaussian_splatting:SH_DEGREE_", degree, "_COEF_", c), "VEC3", 12, kFloat, [&](std::size_t i) {
        std::array<float, 45> values{};
        turn_harmonics(g.sh.data() + 3 * coefficients * i, coefficients, Quarter::back, values.data());
        binary.raw(&values[3 * k], 12);
      });
    }
  }
}

void add_all(Attributes& attributes, ByteWriter& binary, const Gaussians& g) {
  std::array<float, 3> low{}, high{};
  low.fill(std::numeric_limits<float>::max());
  high.fill(std::numeric_limits<float>::lowest());
  Json& places = attributes.add("POSITION", "VEC3", 12, kFloat, [&](std::size_t i) {
    const auto p = turned_point(&g.xyz[3 * i], Quarter::back);
    for (std::size_t k = 0; k < 3; ++k) {
      low[k] = std::min(low[k], p[k]);
      high[k] = std::max(high[k], p[k]);
    }
    binary.raw(p.data(), 12);
  });
  places["min"] = low;
  places["max"] = high;
  // glTF's own colours are linear, whatever the space of the harmonics is; eight bits would show bands in dark parts.
  Json& points = attributes.add("COLOR_0", "VEC4", 8, kUnsignedShort, [&](std::size_t i) {
    const auto put = [&](double x) { binary.put(static_cast<std::uint16_t>(std::lround(std::clamp(x, 0.0, 1.0) * 65535.0))); };
    for (std::size_t k = 0; k < 3; ++k)
      put(linear_of_srgb(static_cast<float>(std::clamp(kHarmonic * g.dc[3 * i + k] + 0.5, 0.0, 1.0))));
    put(g.opacity[i]);
  });
  points["normalized"] = true;
  attributes.add("KHR_gaussian_splatting:ROTATION", "VEC4", 16, kFloat, [&](std::size_t i) {
    const Quaternion q = turned(&g.rotation[4 * i], Quarter::back);
    for (const std::size_t k : {1U, 2U, 3U, 0U}) binary.put(static_cast<float>(q[k]));
  });
  attributes.add("KHR_gaussian_splatting:SCALE", "VEC3", 12, kFloat, [&](std::size_t i) { binary.raw(&g.scale[3 * i], 12); });
  attributes.add("KHR_gaussian_splatting:OPACITY", "SCALAR", 4, kFloat, [&](std::size_t i) { binary.put(g.opacity[i]); });
  attributes.add("KHR_gaussian_splatting:SH_DEGREE_0_COEF_0", "VEC3", 12, kFloat,
                 [&](std::size_t i) { binary.raw(&g.dc[3 * i], 12); });
  add_harmonics(attributes, binary, g);
}

}  // namespace

std::vector<std::byte> encode_gaussian_glb(const Gaussians& g, const std::string& generator, const std::string& extras_json) {
  check_gaussians(g, "GLB");
  const auto n = static_cast<std::size_t>(g.count());
  constexpr std::uint64_t kEach = 64;
  check_glb_size(n * kEach + g.sh.size() * 4 + extras_json.size() + (1U << 16U));
  ByteWriter binary(n * kEach + g.sh.size() * 4);
  Attributes attributes(binary, n);
  add_all(attributes, binary, g);
  Json document = gltf_document(generator, extras_json);
  document["extensionsUsed"] = {kSplatting};
  document["scene"] = 0;
  document["scenes"] = Json::array({{{"nodes", {0}}}});
  document["nodes"] = Json::array({{{"mesh", 0}, {"name", "splats"}}});
  Json primitive = {{"attributes", attributes.names_}, {"mode", 0}};
  primitive["extensions"][kSplatting] = {{"kernel", "ellipse"}, {"colorSpace", "srgb_rec709_display"}};
  document["meshes"] = Json::array({{{"name", "splats"}, {"primitives", Json::array({std::move(primitive)})}}});
  document["accessors"] = std::move(attributes.accessors_);
  document["bufferViews"] = std::move(attributes.views_);
  document["buffers"] = Json::array({{{"byteLength", binary.size()}}});
  return glb_of(document.dump(-1, ' ', false, Json::error_handler_t::replace), binary.take());
}

}  // namespace espalier
