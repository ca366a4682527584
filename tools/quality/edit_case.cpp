#include "edit_case.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"

namespace espalier::quality {
namespace {

constexpr std::size_t kPrimitives = 16, kNumbers = 24;  // sdf.cu explains them
constexpr float kNarrower = 0.6F;
constexpr float kVoxel = 1.0F / 64;
constexpr float kTouching = 0.02F;  // primitives that reach this far below the part belong to it
constexpr int kFrustum = 1, kTorus = 3, kCut = 2;

struct Box {
  std::array<float, 3> low{1, 1, 1}, high{-1, -1, -1};
  void add(const Box& other) {
    for (std::size_t k = 0; k < 3; ++k) {
      low[k] = std::min(low[k], other.low[k]);
      high[k] = std::max(high[k], other.high[k]);
    }
  }
};

// Half sides of a primitive's box in its own frame.
std::array<float, 3> half_sides(const float* p) {
  const float a = p[15], b = p[16], c = p[17];
  switch (static_cast<int>(p[0])) {
    case kFrustum: return {std::max(a, b), std::max(a, b), c};
    case kTorus: return {a + b, a + b, b};
    default: return {a, b, c};
  }
}

Box box_of(const float* p) {
  const std::array<float, 3> half = half_sides(p);
  Box box;
  for (std::size_t k = 0; k < 3; ++k) {
    float reach = 0;
    for (std::size_t row = 0; row < 3; ++row) reach += std::abs(p[6 + 3 * row + k]) * half[row];
    box.low[k] = p[3 + k] - reach;
    box.high[k] = p[3 + k] + reach;
  }
  return box;
}

struct Part {
  std::vector<std::size_t> primitives;
  Box box;
  float rest = -1;  // how high the rest of the object reaches
};

// Whether it can be made narrower and stay as high.
bool is_upright(const float* p) {
  constexpr float kUpright = 0.999F;
  return static_cast<int>(p[0]) != kTorus && static_cast<int>(p[1]) != kCut && std::abs(p[14]) >= kUpright;
}

// What lies above `bottom`; nothing where it is all, or some of it cannot be made narrower.
std::optional<Part> part_above(std::span<const float> primitives, float bottom) {
  Part part;
  for (std::size_t i = 0; i < kPrimitives; ++i) {
    const float* p = &primitives[i * kNumbers];
    if (p[0] < 0) continue;
    const Box box = box_of(p);
    if (box.low[2] < bottom - kTouching) {
      part.rest = std::max(part.rest, box.high[2]);
      continue;
    }
    if (!is_upright(p)) return std::nullopt;
    part.primitives.push_back(i);
    part.box.add(box);
  }
  return part.rest > -1 && !part.primitives.empty() ? std::optional(part) : std::nullopt;
}

Box box_of_all(std::span<const float> primitives) {
  Box all;
  for (std::size_t i = 0; i < kPrimitives; ++i) {
    if (primitives[i * kNumbers] >= 0) all.add(box_of(&primitives[i * kNumbers]));
  }
  return all;
}

// The primitives with a narrower part of other colours, on the same spot.
std::vector<float> with_narrower_part(std::span<const float> primitives, const Part& part) {
  std::vector<float> changed(primitives.begin(), primitives.end());
  for (const std::size_t i : part.primitives) {
    float* p = &changed[i * kNumbers];
    for (std::size_t k = 0; k < 2; ++k) {
      const float middle = (part.box.low[k] + part.box.high[k]) / 2;
      p[3 + k] = middle + kNarrower * (p[3 + k] - middle);
      p[15 + k] *= kNarrower;
    }
    std::rotate(p + 19, p + 20, p + 22);
  }
  return changed;
}

// Networks see objects that are fitted to the unit cube, so the part must not decide how large the rest is, and where.
bool keeps_its_place(const Box& before, const Box& after) {
  constexpr float kMost = kVoxel / 2;
  for (std::size_t k = 0; k < 3; ++k) {
    if (std::abs(before.low[k] + before.high[k] - after.low[k] - after.high[k]) > 2 * kMost) return false;
  }
  const auto longest = [](const Box& b) {
    return std::max({b.high[0] - b.low[0], b.high[1] - b.low[1], b.high[2] - b.low[2]});
  };
  return longest(before) - longest(after) <= kMost;
}

// The part whose height is closest to two fifths of the object's.
std::optional<Part> part_of(std::span<const float> primitives) {
  constexpr float kBest = 0.4F, kLeast = 0.2F, kMost = 0.65F, kThinnest = 0.1F, kRest = 0.4F;
  const Box all = box_of_all(primitives);
  std::optional<Part> best;
  float best_share = 0;
  for (std::size_t i = 0; i < kPrimitives; ++i) {
    const float* p = &primitives[i * kNumbers];
    auto part = p[0] < 0 ? std::nullopt : part_above(primitives, box_of(p).low[2]);
    if (!part) continue;
    const Box& box = part->box;
    const float share = (box.high[2] - box.low[2]) / (all.high[2] - all.low[2]);
    const float thinnest = std::min({box.high[0] - box.low[0], box.high[1] - box.low[1], box.high[2] - box.low[2]});
    if (share < kLeast || share > kMost || thinnest < kThinnest) continue;
    if (part->rest > box.low[2] + kRest * (box.high[2] - box.low[2])) continue;  // it stands on the rest, not around it
    if (best && std::abs(share - kBest) >= std::abs(best_share - kBest)) continue;
    if (!keeps_its_place(all, box_of_all(with_narrower_part(primitives, *part)))) continue;
    best = std::move(part);
    best_share = share;
  }
  return best;
}

}  // namespace

std::string EditCase::region() const {
  std::string text = "box:";
  for (std::size_t k = 0; k < 6; ++k) text += str(k > 0 ? "," : "", box[k]);
  return text;
}

std::optional<EditCase> edit_case_of(const HeldOutObject& object) {
  const auto part = part_of(object.primitives());
  if (!part) return std::nullopt;
  constexpr float kAround = 2 * kVoxel, kBelow = 3 * kVoxel;  // what the narrower part leaves bare has to be inside
  const HeldOutObject narrower = object.with_primitives(with_narrower_part(object.primitives(), *part));
  EditCase made{narrower, object, {}};
  for (std::size_t k = 0; k < 3; ++k) {
    const float low = part->box.low[k] - (k == 2 ? kBelow : kAround), high = part->box.high[k] + kAround;
    made.box[k] = std::max(std::floor(low / kVoxel) * kVoxel, -0.5F);
    made.box[k + 3] = std::min(std::ceil(high / kVoxel) * kVoxel, 0.5F);
  }
  return made;
}

std::vector<EditCase> edit_cases(std::span<const HeldOutObject> objects, std::size_t count, std::size_t per_family) {
  std::vector<EditCase> cases;
  std::map<std::string, std::size_t> taken;
  for (const HeldOutObject& object : objects) {
    if (cases.size() == count) break;
    if (taken[object.family()] == per_family) continue;
    auto made = edit_case_of(object);
    if (!made) continue;
    ++taken[object.family()];
    cases.push_back(std::move(*made));
  }
  return cases;
}

}  // namespace espalier::quality
