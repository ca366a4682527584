// Generation over the evaluation set, and what comes of it.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "espalier/espalier.h"
#include "espalier/options.h"
#include "held_out.h"
#include "textures.h"

namespace espalier::quality {

struct Settings {
  PipelineOptions pipeline{};
  std::uint32_t seed = 42;
  SamplerPreset preset = SamplerPreset::checkpoint;
  SamplerRequest structure{}, latent{};
  std::filesystem::path folder;  // for conditioning images, which stay, and whatever a run needs for a while
  std::vector<double> delight;   // strengths at which textures are compared with the true colours; none: no texture is made
  // Seed and samplers, without images.
  [[nodiscard]] Request request() const;
};

// Scores of one object.
struct Row {
  std::string family;
  std::int64_t voxels = 0;
  double voxel_f = 0, mismatch_f = 0;  // mismatch: against another object of the set
  double missing_skin = 0;             // share of the true surface's voxels with no active voxel within one
  double mesh_precision = 0, mesh_recall = 0, mesh_f = 0;
  double mesh_mismatch_f = 0;  // of a caption: the mesh against another object of the set
  double psnr = 0;             // dB, mean over the views
  double colour_error = 0;     // 0 ... 255, mean over the mesh's vertices
  double seen_error = 0;       // the same over the vertices of faces that a view from outside sees
  // Of a caption: the error (0 ... 255) of each named colour over seen vertices of its part; parts without a vertex are left
  // out.
  std::vector<double> named_errors;
  double main_error = 255;                      // that of the main part
  [[nodiscard]] std::size_t named_met() const;  // named colours that the mesh obeys
  double seconds = 0, sampling_seconds = 0;     // of all stages, and of the two that sample
  FinishedErrors finished;                      // with Settings::delight
};

struct Measure {
  std::string key, title, unit;
  double value = 0, bar = 0;
  bool at_least = true;  // else the bar is an upper limit
  [[nodiscard]] bool met() const { return at_least ? value >= bar : value <= bar; }
};

struct Report {
  std::string device, precision;
  std::vector<Row> rows;
  std::vector<Measure> measures;
  bool repeatable = false;  // a second run of the first object gave the same files
  int structure_evaluations = 0, latent_evaluations = 0;
};

// Generates an asset from each object's image, or from its caption where it has one, and scores it. `on_row` gets every
// finished row.
[[nodiscard]] Report evaluate(std::span<const HeldOutObject> objects, const Settings& settings,
                              const std::function<void(const Row&)>& on_row);

[[nodiscard]] nlohmann::ordered_json json_of(const Report& report);

}  // namespace espalier::quality
