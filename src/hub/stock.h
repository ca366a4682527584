// What of a planned model is on this machine, verified; and what else lies where it can be taken from.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "espalier/models.h"
#include "hub/caches.h"
#include "hub/layout.h"
#include "hub/meter.h"
#include "hub/plan.h"

namespace espalier::hub {

// A part with the place of each of its files.
struct PresentPart {
  PlannedPart plan;
  std::filesystem::path folder;              // in which they appear
  std::vector<std::filesystem::path> paths;  // of each file; empty: missing
};

struct MissingFile {
  std::size_t part, file, index;  // index: among the files of all parts
};

class Stock {
 public:
  // The references must outlive the stock.
  Stock(const Paths& paths, const ModelSettings& settings, const PullObserver& observer, Meter& meter);

  // Plans the model, and finds and verifies what is here of it.
  void take(const std::string& name);
  // Brings what can be had without a network into its place; returns the rest.
  [[nodiscard]] std::vector<MissingFile> adopt_what_is_elsewhere();

  // How many files are missing, and their bytes where those are known; without what is optional.
  [[nodiscard]] std::pair<int, std::uint64_t> missing() const;
  [[nodiscard]] bool offline() const { return settings_.offline || caches_.paths().offline; }
  [[nodiscard]] std::vector<PresentPart>& parts() { return parts_; }
  [[nodiscard]] const std::vector<PresentPart>& parts() const { return parts_; }
  [[nodiscard]] const Layout& layout() const { return *layout_; }
  [[nodiscard]] const Paths& paths() const { return caches_.paths(); }
  // Of the files of all parts.
  [[nodiscard]] std::vector<std::uint64_t> sizes() const;

 private:
  [[nodiscard]] PresentPart stock_of(const PlannedPart& plan);
  [[nodiscard]] std::vector<std::filesystem::path> elsewhere(const PlannedPart& plan,
                                                             const std::filesystem::path& target) const;
  [[nodiscard]] PresentPart stock_in(const PlannedPart& plan, const std::filesystem::path& folder, bool own);
  void remove_damaged(const std::filesystem::path& path) const;
  [[nodiscard]] bool is_right(const std::filesystem::path& path, const Digest& digest, const std::string& name,
                              std::size_t index);
  [[nodiscard]] bool adopt(PresentPart& present, std::size_t i, std::size_t index);

  Caches caches_;
  const ModelSettings& settings_;
  const PullObserver& observer_;
  Meter& meter_;
  std::optional<Layout> layout_;
  std::vector<PresentPart> parts_;
  std::set<std::filesystem::path> verified_;
  std::size_t first_index_ = 0;  // of the part that stock is taken of
};

// Takes a file that is elsewhere on this machine to its placement: linked where the file system can, else copied. The caller
// verified it. Throws io.
void adopt_file(const std::filesystem::path& found, const Placement& placement);

}  // namespace espalier::hub
