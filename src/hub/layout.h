// Where fetched files go: into the caches that other programs share, or into a flat folder.
#pragma once

#include <filesystem>
#include <string>

#include "hub/catalogue.h"
#include "hub/partial_file.h"
#include "hub/paths.h"

namespace espalier::hub {

// A flat folder holds the files of the first repository as they are, those of others under OWNER/REPO, and single files.
class Layout {
 public:
  // `flat`: empty for the caches. `first`: the repository that is opened; may be empty.
  Layout(Paths paths, std::filesystem::path flat, std::string first);

  // Where the files of a part appear: a snapshot, a folder. `commit` is of repositories. Throws invalid_argument when no
  // variable of the environment says where the caches are.
  [[nodiscard]] std::filesystem::path folder_of(const Part& part, const std::string& commit) const;
  // Where the bytes of a file go. `digest` must be known for the hub's cache, whose blobs are named by it.
  [[nodiscard]] Placement placement_of(const Part& part, const std::string& commit, const std::string& file,
                                       const Digest& digest) const;
  // Makes a file that is at its placement appear in its folder.
  void publish(const Part& part, const std::string& commit, const std::string& file, const Placement& placement) const;
  // Notes that `revision` of a repository is `commit`; refs/main as well when there is none.
  void note_revision(const Part& part, const std::string& revision, const std::string& commit) const;
  // Removes locks that nobody holds, and with them the folder of what was on its way, when nothing is left in it.
  void tidy(const Part& part) const;

 private:
  [[nodiscard]] bool in_hub_cache(const Part& part) const { return flat_.empty() && part.source == Source::hub; }
  [[nodiscard]] std::filesystem::path base_of(const Part& part) const;

  Paths paths_;
  std::filesystem::path flat_;
  std::string first_;
};

}  // namespace espalier::hub
