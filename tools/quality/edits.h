// Parts of generated assets made anew for images of the same objects with other parts, and what comes of it.
#pragma once

#include "evaluation.h"

namespace espalier::quality {

struct EditSettings {
  std::size_t cases = 12;
  std::vector<int> resample, rims;  // every pair of them
};

// Scores of one edit.
struct EditRow {
  std::string family;
  int resample = 1, rim = 0;
  bool outside_same = false;
  std::int64_t open_edges = 0;
  double step = 0;  // at the border, in voxels, beyond what the object and the asset generated from its image have there
  double step_unedited = 0;  // that asset's, beyond what the object has there: what the networks get wrong without any edit
  double f_before = 0, f_after = 0;  // inside the region, against that object
  double colour_before = 0, colour_after = 0;
  double seconds = 0;
};

// Generates an asset of each case's first object and edits it with all settings. `on_row` gets every finished row.
[[nodiscard]] std::vector<EditRow> evaluate_edits(std::span<const HeldOutObject> objects, const Settings& settings,
                                                  const EditSettings& edits, const std::function<void(const EditRow&)>& on_row);

// Over all rows of one pair of settings.
struct EditSummary {
  int resample = 1, rim = 0;
  std::size_t edits = 0, same = 0, closed = 0, smooth = 0, better = 0;  // how many of them
  double largest_step = 0, f_before = 0, f_after = 0, colour_before = 0, colour_after = 0, seconds = 0;
  // Everything outside stayed, nothing is open, no step is larger than a voxel, every part is closer
  // to what it should be than before.
  [[nodiscard]] bool met() const { return same == edits && closed == edits && smooth == edits && better == edits; }
};
[[nodiscard]] std::vector<EditSummary> summaries_of(const std::vector<EditRow>& rows);

[[nodiscard]] nlohmann::ordered_json json_of(const std::vector<EditRow>& rows);

}  // namespace espalier::quality
