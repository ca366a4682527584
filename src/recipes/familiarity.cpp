#include "recipes/familiarity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "weights/safetensors.h"

namespace espalier {

namespace {

// Of a patch, how many of its pixels are brighter than black, 0 to 1.
double visible_share(std::span<const float> image, std::int64_t side, std::int64_t patch, std::int64_t px, std::int64_t py) {
  // ImageNet's mean and deviation, as the encoder's input is normalised; 8 of 255 still counts as black.
  constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F}, kDeviation = {0.229F, 0.224F, 0.225F};
  constexpr float kBlack = 8.0F / 255.0F;
  std::int64_t visible = 0;
  for (std::int64_t y = py * patch; y < (py + 1) * patch; ++y) {
    for (std::int64_t x = px * patch; x < (px + 1) * patch; ++x) {
      bool bright = false;
      for (std::size_t c = 0; c < 3; ++c) {
        const float value = image[c * static_cast<std::size_t>(side * side) + static_cast<std::size_t>(y * side + x)];
        bright = bright || value * kDeviation[c] + kMean[c] > kBlack;
      }
      visible += bright ? 1 : 0;
    }
  }
  return static_cast<double>(visible) / static_cast<double>(patch * patch);
}

}  // namespace

std::vector<float> object_tokens(std::span<const float> image, std::span<const float> tokens, std::int64_t rows,
                                 std::int64_t channels) {
  constexpr double kSolid = 0.8;
  const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(image.size()) / 3)));
  const auto patches = static_cast<std::int64_t>(std::floor(std::sqrt(static_cast<double>(rows))));
  require(side * side * 3 == static_cast<std::int64_t>(image.size()) && patches > 0 && side % patches == 0 &&
              static_cast<std::int64_t>(tokens.size()) == rows * channels,
          "object_tokens", image.size(), " values of an image, ", rows, " tokens");
  const std::int64_t first = rows - patches * patches;
  std::vector<float> out;
  for (std::int64_t p = 0; p < patches * patches; ++p) {
    if (visible_share(image, side, side / patches, p % patches, p / patches) < kSolid) continue;
    const auto token = tokens.subspan(static_cast<std::size_t>((first + p) * channels), static_cast<std::size_t>(channels));
    double square = 0;
    for (const float v : token) square += double{v} * v;
    const auto scale = static_cast<float>(1 / std::sqrt(std::max(square, 1e-20)));
    for (const float v : token) out.push_back(v * scale);
  }
  return out;
}

Familiarity::Familiarity(std::vector<float> typical, std::int64_t channels, double limit)
    : typical_(std::move(typical)), channels_(channels), limit_(limit) {
  require(channels > 0 && !typical_.empty() && typical_.size() % static_cast<std::size_t>(channels) == 0, "Familiarity",
          typical_.size(), " values");
}

std::optional<Familiarity> Familiarity::of(const std::filesystem::path& folder, std::int64_t channels) {
  const std::filesystem::path path = folder / kFamiliarityFile;
  if (!std::filesystem::exists(path)) return std::nullopt;
  constexpr std::int64_t kMost = 4096;
  const SafetensorsFile file(path);
  const HostTensor typical = file.load("typical");
  const auto& extents = typical.extents();
  const auto limit = file.metadata().find("limit");
  double value = 0;
  try {
    if (limit != file.metadata().end()) value = std::stod(limit->second);
  } catch (const std::exception&) {
    value = 0;
  }
  if (typical.dtype() != DType::f32 || extents.size() != 2 || extents[0] < 1 || extents[0] > kMost || extents[1] != channels ||
      !(value > 0 && value <= 2)) {
    fail(ErrorCode::format, path.string(), ": not what says how familiar an image is, or for another image encoder",
         hint("make it anew with espalier-familiarity, or remove it"));
  }
  std::vector<float> values(static_cast<std::size_t>(extents[0] * extents[1]));
  std::memcpy(values.data(), typical.data(), values.size() * sizeof(float));
  return Familiarity(std::move(values), channels, value);
}

double Familiarity::distance(std::span<const float> tokens) const {
  const auto n = static_cast<std::size_t>(channels_);
  double sum = 0;
  for (std::size_t at = 0; at < tokens.size(); at += n) {
    double nearest = 2;
    for (std::size_t t = 0; t < typical_.size(); t += n) {
      float product = 0;
      for (std::size_t i = 0; i < n; ++i) product += tokens[at + i] * typical_[t + i];
      nearest = std::min(nearest, 1.0 - double{product});
    }
    sum += nearest;
  }
  return tokens.empty() ? 0.0 : sum / static_cast<double>(tokens.size() / n);
}

void Familiarity::save(const std::filesystem::path& folder, const std::map<std::string, std::string>& metadata) const {
  std::map<std::string, std::string> all = metadata;
  all["limit"] = str(limit_);
  std::map<std::string, HostTensor> tensors;
  const auto rows = static_cast<std::int64_t>(typical_.size()) / channels_;
  HostTensor typical(DType::f32, {rows, channels_});
  std::memcpy(typical.data(), typical_.data(), typical_.size() * sizeof(float));
  tensors.emplace("typical", std::move(typical));
  save_safetensors(folder / kFamiliarityFile, tensors, all);
}

}  // namespace espalier
