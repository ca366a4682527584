#include "bake/fill.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <vector>

#include "parallel/parallel_for.h"

namespace espalier {

namespace {

using Colour = std::array<float, 3>;
constexpr int kSmoothingRounds = 30;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// One index for all vertices of the same position: seams of the texture split vertices, not the surface.
std::vector<std::int32_t> welded_vertices(const Mesh& mesh) {
  const std::size_t n = mesh.vertices.size() / 3;
  std::vector<std::int32_t> order(n), welded(n);
  std::iota(order.begin(), order.end(), 0);
  const auto compare = [&](std::int32_t a, std::int32_t b) {
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): the same bits are meant
    return std::memcmp(&mesh.vertices[at(a) * 3], &mesh.vertices[at(b) * 3], 3 * sizeof(float));
  };
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const int difference = compare(a, b);
    return difference != 0 ? difference < 0 : a < b;
  });
  for (std::size_t i = 0; i < n; ++i) {
    welded[at(order[i])] = i > 0 && compare(order[i - 1], order[i]) == 0 ? welded[at(order[i - 1])] : order[i];
  }
  return welded;
}

// Colours of welded vertices while they spread over the surface.
class VertexColours {
 public:
  explicit VertexColours(const Mesh& mesh)
      : mesh_(mesh),
        welded_(welded_vertices(mesh)),
        colour_(welded_.size()),
        weight_(welded_.size(), 0.0F),
        seen_(welded_.size(), 0) {}

  void take_texel(std::int64_t face, float b0, float b1, const float* texel) {
    const std::array<float, 3> b{b0, b1, 1.0F - b0 - b1};
    for (std::size_t k = 0; k < 3; ++k) add(corner(face, k), b[k], {texel[0], texel[1], texel[2]});
  }
  void settle_seen() {
    for (std::size_t v = 0; v < seen_.size(); ++v) {
      if (weight_[v] > 0.05F) seen_[v] = 1;
    }
    divide();
  }
  void spread() {
    std::vector<std::uint8_t> done = seen_;
    for (bool grew = true; grew;) {
      grew = false;
      average_unseen(done, done);
      for (std::size_t v = 0; v < done.size(); ++v) {
        if (done[v] == 0 && weight_[v] > 0.0F) {
          done[v] = 1;
          grew = true;
        }
      }
    }
    colour_lonely(done);
    const std::vector<std::uint8_t> all(done.size(), 1);
    for (int round = 0; round < kSmoothingRounds; ++round) average_unseen(seen_, all);
  }
  [[nodiscard]] Colour at_face(std::int64_t face, float b0, float b1) const {
    const std::array<float, 3> b{b0, b1, 1.0F - b0 - b1};
    Colour result{};
    for (std::size_t k = 0; k < 3; ++k) {
      for (std::size_t c = 0; c < 3; ++c) result[c] += b[k] * colour_[corner(face, k)][c];
    }
    return result;
  }

 private:
  [[nodiscard]] std::size_t corner(std::int64_t face, std::size_t k) const {
    return at(welded_[at(mesh_.faces[at(face) * 3 + k])]);
  }
  void add(std::size_t v, float weight, const Colour& value) {
    weight_[v] += weight;
    for (std::size_t c = 0; c < 3; ++c) colour_[v][c] += weight * value[c];
  }
  void divide() {
    for (std::size_t v = 0; v < weight_.size(); ++v) {
      if (weight_[v] > 0.0F) {
        for (float& c : colour_[v]) c /= weight_[v];
      }
    }
  }
  // Vertices that are not `fixed` become the mean of their neighbours that are `sources`.
  void average_unseen(const std::vector<std::uint8_t>& fixed, const std::vector<std::uint8_t>& sources) {
    const std::vector<Colour> before = colour_;
    std::vector<Colour> sum(colour_.size());
    std::fill(weight_.begin(), weight_.end(), 0.0F);
    for (std::int64_t f = 0; f < mesh_.face_count(); ++f) {
      for (std::size_t k = 0; k < 3; ++k) {
        const std::size_t v = corner(f, k);
        if (fixed[v] != 0) continue;
        for (const std::size_t other : {corner(f, (k + 1) % 3), corner(f, (k + 2) % 3)}) {
          if (other == v || sources[other] == 0) continue;
          weight_[v] += 1.0F;
          for (std::size_t c = 0; c < 3; ++c) sum[v][c] += before[other][c];
        }
      }
    }
    for (std::size_t v = 0; v < colour_.size(); ++v) {
      if (fixed[v] != 0 || weight_[v] == 0.0F) continue;
      for (std::size_t c = 0; c < 3; ++c) colour_[v][c] = sum[v][c] / weight_[v];
    }
  }
  // Pieces of the mesh without any seen vertex.
  void colour_lonely(const std::vector<std::uint8_t>& done) {
    Colour mean{0.5F, 0.5F, 0.5F};
    std::array<double, 3> sum{};
    double count = 0.0;
    for (std::size_t v = 0; v < seen_.size(); ++v) {
      if (seen_[v] == 0) continue;
      count += 1.0;
      for (std::size_t c = 0; c < 3; ++c) sum[c] += colour_[v][c];
    }
    for (std::size_t c = 0; count > 0.0 && c < 3; ++c) mean[c] = static_cast<float>(sum[c] / count);
    for (std::size_t v = 0; v < done.size(); ++v) {
      if (done[v] != 0) continue;
      colour_[v] = mean;
      for (std::size_t c = 0; !mesh_.colours.empty() && c < 3; ++c) colour_[v][c] = mesh_.colours[v * 3 + c];
    }
  }

  const Mesh& mesh_;
  std::vector<std::int32_t> welded_;
  std::vector<Colour> colour_;
  std::vector<float> weight_;
  std::vector<std::uint8_t> seen_;
};

// A level of the pyramid: colours and whether there is one.
struct Level {
  int side = 0;
  std::vector<Colour> colour;
  std::vector<std::uint8_t> filled;
};

Level halved(const Level& fine) {
  Level coarse;
  coarse.side = (fine.side + 1) / 2;
  const auto count = at(std::int64_t{coarse.side} * coarse.side);
  coarse.colour.resize(count);
  coarse.filled.assign(count, 0);
  for (int y = 0; y < fine.side; ++y) {
    for (int x = 0; x < fine.side; ++x) {
      const auto i = at(std::int64_t{y} * fine.side + x), j = at(std::int64_t{y / 2} * coarse.side + x / 2);
      if (fine.filled[i] == 0) continue;
      ++coarse.filled[j];
      for (std::size_t c = 0; c < 3; ++c) coarse.colour[j][c] += fine.colour[i][c];
    }
  }
  for (std::size_t j = 0; j < count; ++j) {
    for (float& c : coarse.colour[j]) c /= static_cast<float>(std::max<int>(coarse.filled[j], 1));
    coarse.filled[j] = coarse.filled[j] > 0 ? 1 : 0;
  }
  return coarse;
}

}  // namespace

void fill_unseen(const Mesh& mesh, std::span<const std::int32_t> face, std::span<const float> barycentric,
                 std::span<const std::uint8_t> known, std::span<float> texture) {
  VertexColours vertices(mesh);
  bool complete = true;
  for (std::size_t i = 0; i < face.size(); ++i) {
    if (face[i] == 0) continue;
    if (known[i] == 0) {
      complete = false;
    } else {
      vertices.take_texel(face[i] - 1, barycentric[2 * i], barycentric[2 * i + 1], &texture[3 * i]);
    }
  }
  if (complete) return;
  vertices.settle_seen();
  vertices.spread();
  parallel_for(static_cast<std::int64_t>(face.size()), 4096, [&](std::int64_t item) {
    const auto i = at(item);
    if (face[i] == 0 || known[i] != 0) return;
    const Colour colour = vertices.at_face(face[i] - 1, barycentric[2 * i], barycentric[2 * i + 1]);
    std::copy(colour.begin(), colour.end(), &texture[3 * i]);
  });
}

void fill_outside(std::span<const std::int32_t> face, int size, std::span<float> texture) {
  std::vector<Level> levels(1);
  levels[0].side = size;
  levels[0].colour.resize(face.size());
  levels[0].filled.resize(face.size());
  for (std::size_t i = 0; i < face.size(); ++i) {
    levels[0].filled[i] = face[i] != 0 ? 1 : 0;
    for (std::size_t c = 0; face[i] != 0 && c < 3; ++c) levels[0].colour[i][c] = texture[3 * i + c];
  }
  while (levels.back().side > 1) levels.push_back(halved(levels.back()));
  for (std::size_t l = levels.size() - 1; l-- > 0;) {
    Level& fine = levels[l];
    const Level& coarse = levels[l + 1];
    for (int y = 0; y < fine.side; ++y) {
      for (int x = 0; x < fine.side; ++x) {
        const auto i = at(std::int64_t{y} * fine.side + x);
        if (fine.filled[i] == 0) fine.colour[i] = coarse.colour[at(std::int64_t{y / 2} * coarse.side + x / 2)];
      }
    }
  }
  for (std::size_t i = 0; i < face.size(); ++i) {
    if (face[i] == 0) std::copy(levels[0].colour[i].begin(), levels[0].colour[i].end(), &texture[3 * i]);
  }
}

}  // namespace espalier
