// Whether an image looks like what a small model was trained on, by the tokens that its image encoder makes of the object.
//
// Every token of a patch that shows the object is compared with a few typical ones, which lie in the checkpoint's folder; the
// mean distance is large for textures, parts and shapes that the model has never seen. tools/quality/familiarity.cpp makes the
// file and measures how well that separates; docs/background.md has the figures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace espalier {

inline constexpr const char* kFamiliarityFile = "familiarity.safetensors";

// Of an image as the encoder reads it ([3, side, side], normalised) the tokens of patches that are not black, each scaled to
// length 1: [count, channels]. tokens: [rows, channels], of which the last are the patches, row by row.
[[nodiscard]] std::vector<float> object_tokens(std::span<const float> image, std::span<const float> tokens, std::int64_t rows,
                                               std::int64_t channels);

class Familiarity {
 public:
  // What lies in the folder of a checkpoint; nothing where there is no such file. Throws format for a damaged one, or one for
  // an encoder of other channels.
  [[nodiscard]] static std::optional<Familiarity> of(const std::filesystem::path& folder, std::int64_t channels);
  // typical: [count, channels], each of length 1.
  Familiarity(std::vector<float> typical, std::int64_t channels, double limit);

  // Mean over tokens of 1 less the cosine to the nearest typical one: 0 to 2. object_tokens() as they are; 0 without any.
  [[nodiscard]] double distance(std::span<const float> tokens) const;
  // Beyond it an image is not familiar.
  [[nodiscard]] double limit() const { return limit_; }
  void save(const std::filesystem::path& folder, const std::map<std::string, std::string>& metadata) const;

 private:
  std::vector<float> typical_;
  std::int64_t channels_;
  double limit_;
};

}  // namespace espalier
