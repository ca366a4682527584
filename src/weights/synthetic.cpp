#include "weights/synthetic.h"

#include <cmath>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

std::uint64_t fnv1a64(const std::string& text) {
  std::uint64_t h = 0xCBF29CE484222325ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return h;
}

double hashed_unit(std::uint64_t h, std::uint64_t i) {
  std::uint64_t z = h + (i + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ z >> 27U) * 0x94D049BB133111EBULL;
  z ^= z >> 31U;
  return static_cast<double>(z >> 40U) * 0x1.0p-24;
}

bool contains(const std::string& s, const char* part) { return s.find(part) != std::string::npos; }

}  // namespace

std::vector<float> hashed_values(const std::string& seed, const std::string& name, std::int64_t count, double a, double c) {
  const std::uint64_t h = fnv1a64(seed + ":" + name);
  std::vector<float> out(static_cast<std::size_t>(count));
  parallel_ranges(count, 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      out[static_cast<std::size_t>(i)] =
          static_cast<float>((2.0 * hashed_unit(h, static_cast<std::uint64_t>(i)) - 1.0) * a + c);
    }
  });
  return out;
}

ValueRange customary_range(const std::string& name, const std::vector<std::int64_t>& extents) {
  const std::string last = name.substr(name.rfind('.') == std::string::npos ? 0 : name.rfind('.') + 1);
  double fan_in = 1.0;
  for (std::size_t i = 1; i < extents.size(); ++i) fan_in *= static_cast<double>(extents[i]);
  if (last == "gamma") return {0.1, 1.0};
  const bool table = last == "pos_embed" || last == "cls_token" || last == "register_tokens" || last == "mask_token" ||
                     contains(name, "embedding.weight");
  if (table && !contains(name, "patch_embed")) return {0.02, 0.0};
  if (last == "bias") return {0.05, 0.0};
  if (extents.size() == 1) return {0.1, 1.0};
  if (contains(name, "adaLN_modulation")) return {0.5 * std::sqrt(3.0 / fan_in), 0.0};
  return {std::sqrt(3.0 / fan_in), 0.0};
}

SyntheticSource::SyntheticSource(std::string seed, const std::vector<Declaration>& declared) : seed_(std::move(seed)) {
  for (const Declaration& d : declared) {
    TensorEntry e;
    e.dtype = DType::f32;
    e.extents = d.extents;
    e.bytes = static_cast<std::size_t>(checked_size(d.extents)) * sizeof(float);
    entries_[d.name] = std::move(e);
  }
}

TensorEntry SyntheticSource::read(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) fail(ErrorCode::not_found, seed_, ": no tensor ", name);
  TensorEntry entry = it->second;
  const ValueRange range = customary_range(name, entry.extents);
  buffer_ = hashed_values(seed_, name, checked_size(entry.extents), range.amplitude, range.centre);
  entry.data = reinterpret_cast<const std::byte*>(buffer_.data());
  return entry;
}

}  // namespace espalier
