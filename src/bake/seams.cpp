#include "bake/seams.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "bake/bake_steps.h"

namespace espalier {
namespace {

using baking::Footprint;
using baking::footprint_at;

constexpr int kSweeps = 200;
constexpr float kEqual = 0.25F / 255;
constexpr float kRelaxation = 1.5F;
constexpr float kStepsOfTexel = 4;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

using Place = std::array<float, 2>;
struct Side {
  Place from, to;
  bool operator==(const Side&) const = default;
};
// One place of the surface, seen in both charts.
struct Pair {
  Footprint a, b;
};

// The sides of every edge of the surface; vertices of one position are one.
std::vector<std::pair<Side, Side>> seams_of(const Mesh& mesh) {
  using Position = std::array<std::uint32_t, 3>;
  const auto position = [&](std::int32_t v) {
    Position p{};
    for (std::size_t k = 0; k < 3; ++k) {
      const float x = mesh.vertices[3 * at(v) + k] + 0.0F;  // 0 and -0 are the same
      std::memcpy(&p[k], &x, sizeof(x));
    }
    return p;
  };
  const auto place = [&](std::int32_t v) { return Place{mesh.uvs[2 * at(v)], mesh.uvs[2 * at(v) + 1]}; };
  std::map<std::pair<Position, Position>, std::vector<Side>> edges;
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    for (std::size_t k = 0; k < 3; ++k) {
      std::int32_t a = mesh.faces[f + k], b = mesh.faces[f + (k + 1) % 3];
      if (position(b) < position(a)) std::swap(a, b);
      edges[{position(a), position(b)}].push_back({place(a), place(b)});
    }
  }
  std::vector<std::pair<Side, Side>> seams;
  for (const auto& [ends, sides] : edges) {
    if (sides.size() == 2 && !(sides[0] == sides[1])) seams.emplace_back(sides[0], sides[1]);
  }
  return seams;
}

Place along(const Side& side, float t) {
  return {side.from[0] + t * (side.to[0] - side.from[0]), side.from[1] + t * (side.to[1] - side.from[1])};
}
float texels_of(const Side& side, int size) {
  return std::hypot(side.to[0] - side.from[0], side.to[1] - side.from[1]) * static_cast<float>(size);
}

std::vector<Pair> pairs_of(const Mesh& mesh, int size) {
  std::vector<Pair> pairs;
  for (const auto& [a, b] : seams_of(mesh)) {
    const float texels = std::min(std::max(texels_of(a, size), texels_of(b, size)), 2.0F * static_cast<float>(size));
    const int count = static_cast<int>(std::ceil(kStepsOfTexel * texels)) + 1;
    for (int i = 0; i <= count; ++i) {
      const float t = static_cast<float>(i) / static_cast<float>(count);
      const Place p = along(a, t), q = along(b, t);
      pairs.push_back({footprint_at(p[0], p[1], size), footprint_at(q[0], q[1], size)});
    }
  }
  return pairs;
}

float look(const Footprint& foot, std::span<const float> texture, std::size_t channel) {
  float value = 0;
  for (int k = 0; k < 4; ++k) value += foot.weight[k] * texture[3 * at(foot.texel[k]) + channel];
  return value;
}

void shift(const Footprint& foot, std::span<float> texture, std::size_t channel, float by) {
  for (int k = 0; k < 4; ++k) {
    float& texel = texture[3 * at(foot.texel[k]) + channel];
    texel = std::clamp(texel + by * foot.weight[k], 0.0F, 1.0F);
  }
}
float squares_of(const Footprint& foot) {
  float squares = 0;
  for (const float w : foot.weight) squares += w * w;
  return squares;
}

}  // namespace

void match_seams(const Mesh& mesh, int size, std::span<float> texture) {
  const std::vector<Pair> pairs = pairs_of(mesh, size);
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    float most = 0;
    for (const Pair& pair : pairs) {
      // The least change of the texels after which both are equal.
      const float share = kRelaxation / (squares_of(pair.a) + squares_of(pair.b));
      for (std::size_t c = 0; c < 3; ++c) {
        const float apart = look(pair.b, texture, c) - look(pair.a, texture, c);
        most = std::max(most, std::abs(apart));
        shift(pair.a, texture, c, share * apart);
        shift(pair.b, texture, c, -share * apart);
      }
    }
    if (most <= kEqual) break;
  }
}

}  // namespace espalier
