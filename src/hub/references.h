// What a pipeline.json refers to: networks inside its repository, networks of other repositories, encoders.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier::hub {

struct References {
  std::vector<std::string> own;  // ckpts/NAME, without an ending
  struct Foreign {
    std::string repository;  // OWNER/REPO as it is spelt
    std::string stem;        // ckpts/NAME
  };
  std::vector<Foreign> foreign;
  std::string image_encoder;                      // dinov2_vitl14_reg; may be empty
  std::string text_encoder;                       // OWNER/REPO; may be empty
  std::vector<std::string> repositories() const;  // of `foreign` and text_encoder, each once
};

// From the text of a pipeline.json. `where` is for messages. Throws format for what is no pipeline.
[[nodiscard]] References references_of(const std::string& where, const std::string& text);
// Of FOLDER/pipeline.json; nothing when there is none. A text encoder in its own ckpts (clip*.json) is no reference.
[[nodiscard]] std::optional<References> references_in(const std::filesystem::path& folder);

// FOLDER/ckpts/clip*.json and weights beside it exist.
[[nodiscard]] bool has_text_encoder(const std::filesystem::path& folder);

// A relative path without .., empty or hidden-by-backslash components and control characters.
[[nodiscard]] bool is_safe_path(const std::string& path);

// FOLDER/STEM.json and weights beside it exist.
[[nodiscard]] bool has_network(const std::filesystem::path& folder, const std::string& stem);

}  // namespace espalier::hub
