// Finds files that are already on this machine: in the hub's cache, in torch.hub's and rembg's folders, among ComfyUI's models,
// and in folders that people made by hand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hub/catalogue.h"
#include "hub/paths.h"
#include "hub/references.h"

namespace espalier::hub {

// models--OWNER--REPO
[[nodiscard]] std::string cache_folder_name(const std::string& repository);

struct Found {
  std::filesystem::path path;
  bool verified = false;  // the hub's cache holds it under its hash, which it gets only when it was verified
};

class Caches {
 public:
  explicit Caches(const Paths& paths);

  // Folders that may hold a repository's files, the likeliest first: the snapshot of `revision` (a commit, or a reference that
  // names one), that of refs/main, other snapshots from new to old, and ComfyUI's folders of that name; under both owners'
  // names. They exist; symbolic links are followed. Without a revision: refs/main comes first.
  [[nodiscard]] std::vector<std::filesystem::path> folders_of(const std::string& repository,
                                                              const std::string& revision = {}) const;
  // What may be `file`, the likeliest first: by name and size (any size when it is not known), then large files of ComfyUI's
  // folders by size alone, which only a hash can tell.
  [[nodiscard]] std::vector<Found> candidates(const Part& part, const KnownFile& file) const;
  // The first of them that has the right name, or is verified.
  [[nodiscard]] std::optional<Found> find_file(const Part& part, const KnownFile& file) const;
  // A folder that holds every file of `part` with the right size.
  [[nodiscard]] std::optional<std::filesystem::path> complete_folder(const Part& part) const;
  // The same in folders that lie beside `folder`, as snapshots or as OWNER/REPO folders do.
  [[nodiscard]] static std::vector<std::filesystem::path> neighbours(const std::filesystem::path& folder,
                                                                     const std::string& repository);

  [[nodiscard]] const Paths& paths() const { return paths_; }

 private:
  void scan_comfy(const std::filesystem::path& folder, int depth);

  Paths paths_;
  std::multimap<std::uint64_t, std::filesystem::path> comfy_files_;  // large files, by size
  std::multimap<std::string, std::filesystem::path> comfy_folders_;  // by name in lower case
  std::size_t comfy_entries_ = 0;
};

// The snapshots of one repository of a hub's cache: `revision` first if it is there, then refs/main, then from new to old.
[[nodiscard]] std::vector<std::filesystem::path> snapshots_of(const std::filesystem::path& hub, const std::string& repository,
                                                              const std::string& revision);

// A regular file of this size; of any size but 0 when `bytes` is 0.
[[nodiscard]] bool is_file_of(const std::filesystem::path& path, std::uint64_t bytes);

}  // namespace espalier::hub
