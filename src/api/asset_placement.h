// Where an asset stands in its files: SaveOptions::origin, height and up.
#pragma once

#include <array>
#include <string>

#include "api/asset.h"

namespace espalier {

// The point p of the asset comes to lie at turned((p - origin) * scale) of the file's own "Z up".
struct AssetPlacement {
  std::array<double, 3> origin{};
  double scale = 1.0;
  int quarters = 0;  // of a turn about the x axis, each as Quarter::forward, before the one that the format has of its own
  // Nothing is moved, scaled or turned.
  [[nodiscard]] bool is_identity() const;
  // "origin 0 0 -0.45, scale 1": with it the asset's own frame is found again.
  [[nodiscard]] std::string in_words() const;
};

// How the format of that ending (without its dot) holds the asset. `label` is what errors call the file. Throws
// invalid_argument for an up axis that the format cannot have and for a height of what is flat.
[[nodiscard]] AssetPlacement placement_in_file(const Asset::Data& data, const SaveOptions& options, const std::string& format,
                                               const std::string& label);

[[nodiscard]] Mesh placed(const Mesh& mesh, const AssetPlacement& placement);
[[nodiscard]] Gaussians placed(const Gaussians& gaussians, const AssetPlacement& placement);

}  // namespace espalier
