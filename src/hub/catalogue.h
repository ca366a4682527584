// The models that are known by name: their repositories, pinned revisions, files, sizes and hashes, as they were published.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace espalier::hub {

enum class Source {
  hub,    // a repository of the model hub
  torch,  // a file with an address of its own that torch.hub keeps
  rembg,  // a file with an address of its own that rembg keeps
};

struct KnownFile {
  std::string path;         // inside the repository, or the name of the file
  std::uint64_t bytes = 0;  // 0: not known
  std::string sha256{};     // empty: not known; then the hub's own hash counts
};

struct Part {
  Source source = Source::hub;
  std::string repository{};  // OWNER/REPO
  std::string revision{};    // a commit, a branch or a tag
  std::string url{};         // of a file with an address of its own
  std::vector<KnownFile> files{};
  [[nodiscard]] std::uint64_t bytes() const;
};

// The first part is the one that is opened by name.
struct Model {
  std::string name, summary, licence;
  std::vector<Part> parts;
  [[nodiscard]] std::uint64_t bytes() const;
};

[[nodiscard]] const std::vector<Model>& catalogue();
// By its name, by a usual other name, or by OWNER/REPO of its first part; upper and lower case are one. Null when unknown.
[[nodiscard]] const Model* find_known(const std::string& name);

// The owner that publishes today: JeffreyXiang/TRELLIS-... moved to microsoft/.
[[nodiscard]] std::string current_repository(const std::string& repository);
// Both spellings, the current one first; one for a repository that never moved.
[[nodiscard]] std::vector<std::string> spellings_of(const std::string& repository);

// The networks of TRELLIS-image-large that text checkpoints refer to, and CLIP's text encoder.
[[nodiscard]] std::optional<Part> known_repository(const std::string& repository);
// DINOv2's weights by the name that pipeline.json gives them (dinov2_vitl14_reg). Nothing for names that are not published.
[[nodiscard]] std::optional<Part> image_encoder_part(const std::string& name);
// dinov2_vitl14_reg -> dinov2_vitl14_reg4_pretrain.pth; empty for names of another form.
[[nodiscard]] std::string image_encoder_file(const std::string& name);

// OWNER/REPO or OWNER/REPO@REVISION.
struct RepositoryName {
  std::string repository;
  std::string revision;  // empty: none was given
};
// Nothing when `text` has another form.
[[nodiscard]] std::optional<RepositoryName> parse_repository(const std::string& text);

}  // namespace espalier::hub
