#include "bake/seams.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "bake/bake_steps.h"

namespace espalier {
namespace {

using baking::Footprint;
using baking::footprint_at;

constexpr int kSweeps = 200, kSweepsOfThoseApart = 8;
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

// Colours with a fourth, unused channel, so that all channels go through the same instructions together.
using Colour = std::array<float, 4>;

// A pair whose texels are counted among those of seams, which are few and lie side by side.
struct Tie {
  std::array<std::int32_t, 4> a, b;
  std::array<float, 4> weight_a, weight_b;
  float share;  // of the difference: the least change of the texels after which both sides are equal, over-relaxed
};

float squares_of(const Footprint& foot) {
  float squares = 0;
  for (const float w : foot.weight) squares += w * w;
  return squares;
}

// The texels that seams look at, and their colours.
class SeamTexels {
 public:
  SeamTexels(const std::vector<Pair>& pairs, std::span<const float> texture) : index_(texture.size() / 3, -1) {
    ties_.reserve(pairs.size());
    for (const Pair& pair : pairs) {
      Tie tie{};
      for (std::size_t k = 0; k < 4; ++k) {
        tie.a[k] = counted(pair.a.texel[k], texture);
        tie.b[k] = counted(pair.b.texel[k], texture);
        tie.weight_a[k] = pair.a.weight[k];
        tie.weight_b[k] = pair.b.weight[k];
      }
      tie.share = kRelaxation / (squares_of(pair.a) + squares_of(pair.b));
      ties_.push_back(tie);
    }
  }
  // Brings every pair closer once; the largest difference there was. Remembers which were not equal.
  float sweep() {
    float most = 0;
    apart_.clear();
    for (const Tie& tie : ties_) {
      const float difference = draw_together(tie);
      most = std::max(most, difference);
      if (difference > kEqual) apart_.push_back(&tie);
    }
    return most;
  }
  // The same of those that were not equal in the last sweep of all.
  void sweep_those_apart() {
    for (const Tie* tie : apart_) (void)draw_together(*tie);
  }
  void write(std::span<float> texture) const {
    for (std::size_t i = 0; i < texels_.size(); ++i) {
      std::copy(colours_[i].begin(), colours_[i].begin() + 3, &texture[3 * at(texels_[i])]);
    }
  }

 private:
  std::int32_t counted(std::int64_t texel, std::span<const float> texture) {
    std::int32_t& index = index_[at(texel)];
    if (index < 0) {
      index = static_cast<std::int32_t>(texels_.size());
      texels_.push_back(texel);
      const float* const t = &texture[3 * at(texel)];
      colours_.push_back({t[0], t[1], t[2], 0});
    }
    return index;
  }
  [[nodiscard]] Colour look(const std::array<std::int32_t, 4>& texels, const std::array<float, 4>& weight) const {
    Colour value{};
    for (std::size_t k = 0; k < 4; ++k) {
      const Colour& texel = colours_[at(texels[k])];
      for (std::size_t c = 0; c < 4; ++c) value[c] += weight[k] * texel[c];
    }
    return value;
  }
  // The largest difference there was.
  float draw_together(const Tie& tie) {
    const Colour seen_a = look(tie.a, tie.weight_a), seen_b = look(tie.b, tie.weight_b);
    Colour by{};
    float most = 0;
    for (std::size_t c = 0; c < 4; ++c) {
      const float difference = seen_b[c] - seen_a[c];
      most = std::max(most, std::abs(difference));
      by[c] = tie.share * difference;
    }
    shift(tie.a, tie.weight_a, by, 1.0F);
    shift(tie.b, tie.weight_b, by, -1.0F);
    return most;
  }
  void shift(const std::array<std::int32_t, 4>& texels, const std::array<float, 4>& weight, const Colour& by, float sign) {
    for (std::size_t k = 0; k < 4; ++k) {
      Colour& texel = colours_[at(texels[k])];
      const float factor = sign * weight[k];
      for (std::size_t c = 0; c < 4; ++c) texel[c] = std::clamp(texel[c] + by[c] * factor, 0.0F, 1.0F);
    }
  }

  std::vector<std::int32_t> index_;   // [texels of the texture] place among those of seams, -1: none
  std::vector<std::int64_t> texels_;  // of seams
  std::vector<Colour> colours_;
  std::vector<Tie> ties_;
  std::vector<const Tie*> apart_;
};

}  // namespace

void match_seams(const Mesh& mesh, int size, std::span<float> texture) {
  SeamTexels texels(pairs_of(mesh, size), texture);
  // After a few sweeps most pairs are equal and stay so; only every eighth sweep looks at them again.
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    if (sweep % kSweepsOfThoseApart != 0) {
      texels.sweep_those_apart();
    } else if (texels.sweep() <= kEqual) {
      break;
    }
  }
  texels.write(texture);
}

}  // namespace espalier
