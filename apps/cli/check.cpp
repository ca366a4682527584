// check: statistics of the mesh or the Gaussians in a file.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "paths.h"
#include "progress.h"
#include "summary.h"
#include "text.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

const char* yes(bool value) { return value ? "yes" : "no"; }

std::string box(const std::array<double, 3>& low, const std::array<double, 3>& high) {
  return fixed(high[0] - low[0], 4) + " x " + fixed(high[1] - low[1], 4) + " x " + fixed(high[2] - low[2], 4);
}

void print_summary(const GaussianSummary& g) {
  Table table({"", ""});
  table.add({"Gaussians", thousands(g.gaussians)});
  table.add({"degree of harmonics", std::to_string(g.harmonics_degree)});
  table.add({"too faint to be seen", thousands(g.unseen)});
  table.add({"mean opacity", fixed(g.mean_opacity, 3)});
  table.add({"median scale", fixed(g.median_scale, 5)});
  table.add({"size", box(g.low, g.high)});
  std::printf("%s", table.text().c_str());
}

void print_summary(const MeshSummary& m) {
  Table table({"", ""});
  table.add({"faces", thousands(m.faces)});
  table.add({"vertices", thousands(m.positions)});
  if (m.vertices != m.positions) table.add({"vertices stored", thousands(m.vertices)});
  table.add({"components", thousands(m.components)});
  table.add({"boundary edges", thousands(m.boundary_edges)});
  table.add({"holes", thousands(m.holes)});
  table.add({"non-manifold edges", thousands(m.non_manifold_edges)});
  table.add({"degenerate faces", thousands(m.degenerate_faces)});
  table.add({"duplicate faces", thousands(m.duplicate_faces)});
  table.add({"watertight", yes(m.watertight)});
  table.add({"consistent winding", yes(m.consistent_winding)});
  table.add({"size", box(m.low, m.high)});
  table.add({"area", fixed(m.area, 5)});
  table.add({"volume", m.watertight ? fixed(m.volume, 6) : "none, the mesh is not closed"});
  if (m.handles >= 0) table.add({"handles", thousands(m.handles)});
  if (m.hidden_share >= 0) {
    table.add({"hidden area", fixed(100 * m.hidden_share, 2) + " %"});
    table.add({"crossing faces", thousands(m.crossing_faces)});
    table.add({"creases / diagonal", fixed(m.crease_length, 3)});
    table.add({"thinnest wall (1 % of the area)", m.watertight ? fixed(m.thin_wall, 4) : "none, the mesh is not closed"});
    table.add({"overhang over 45 degrees", fixed(100 * m.overhang_share, 1) + " % of the area"});
  }
  std::printf("%s", table.text().c_str());
}

struct Summary {
  std::optional<MeshSummary> mesh;
  std::optional<GaussianSummary> gaussians;
  std::vector<std::string> notices{};
};
Summary summary_of(const fs::path& path, const LoadOptions& load) {
  Summary summary;
  if (content_of(path) == FileContent::mesh) {
    summary.mesh = summarise_mesh_file(path, load, &summary.notices);
    return summary;
  }
  const Asset asset = load_any(path, load);
  summary.notices = asset.notices();
  if (!asset.faces().empty()) summary.mesh = asset.mesh_summary();
  if (asset.gaussian_count() > 0) summary.gaussians = asset.gaussian_summary();
  if (!summary.mesh && !summary.gaussians) {
    throw Error(ErrorCode::invalid_argument, path.string() + ": it holds neither a mesh with faces nor Gaussians to report on");
  }
  return summary;
}

nlohmann::ordered_json json_of(const Summary& summary) {
  nlohmann::ordered_json row = nlohmann::ordered_json::object();
  if (summary.mesh) row = cli::json_of(*summary.mesh);
  if (summary.mesh && summary.gaussians) {
    row["splats"] = cli::json_of(*summary.gaussians);
  } else if (summary.gaussians) {
    row = cli::json_of(*summary.gaussians);
  }
  row["notices"] = summary.notices;
  return row;
}

// Why the mesh cannot be printed; empty where it can. `least`: for its walls, in its own units.
std::string unprintable(const MeshSummary& m, double least) {
  std::vector<std::string> reasons;
  if (!m.watertight)
    reasons.push_back(thousands(m.boundary_edges) + " open edges and " + thousands(m.non_manifold_edges) +
                      " edges with more than two faces");
  if (m.watertight && !m.consistent_winding) reasons.emplace_back("faces that are turned inside out");
  if (m.crossing_faces > 0) reasons.push_back(thousands(m.crossing_faces) + " faces that pass through others");
  if (m.watertight && m.thin_wall < least)
    reasons.push_back("walls of " + fixed(m.thin_wall, 4) + ", thinner than " + fixed(least, 4));
  std::string text;
  for (const std::string& reason : reasons) text += (text.empty() ? "" : "; ") + reason;
  return text;
}

// Throws invalid_argument with the reasons.
void check_printable(const fs::path& path, const Summary& summary, double least) {
  const std::string reasons =
      summary.mesh ? unprintable(*summary.mesh, least) : std::string("Gaussians, which have no surface to print");
  if (reasons.empty()) return;
  throw Error(ErrorCode::invalid_argument, path.string() + " cannot be printed: it has " + reasons,
              "export the asset with --watertight, and --min-wall for its walls");
}

void print(const fs::path& path, const Summary& summary, ProgressPrinter& printer) {
  std::printf("%s\n", painted(path.string(), Paint::title, colours_on(STDOUT_FILENO)).c_str());
  if (summary.mesh) print_summary(*summary.mesh);
  if (summary.gaussians) print_summary(*summary.gaussians);
  std::fflush(stdout);
  for (const std::string& notice : summary.notices) printer.message(notice);
}

}  // namespace

int check(const Settings& settings) {
  if (settings.inputs.empty()) throw UsageError("no file is given: espalier check FILE...");
  nlohmann::ordered_json report = nlohmann::ordered_json::array();
  ProgressPrinter printer(settings.quiet);
  std::vector<std::string> failures;
  for (const fs::path& path : settings.inputs) {
    const std::size_t read = report.size();
    try {
      check_readable(path, "file");
      const Summary summary = summary_of(path, {.strict = settings.strict});
      if (settings.json) {
        report.push_back(json_of(summary));
      } else {
        print(path, summary, printer);
      }
      if (settings.print_ready) check_printable(path, summary, settings.finish.min_wall_mm);
    } catch (const Error& error) {
      if (settings.inputs.size() == 1 && report.size() == read) throw;
      failures.emplace_back(error.what());
      if (settings.json && report.size() == read) report.push_back(nlohmann::ordered_json::object());
      if (settings.json) report.back()["error"] = error.what();
    }
    if (settings.json) report.back()["file"] = path.string();
  }
  if (settings.json) std::printf("%s\n", report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  if (failures.empty()) return 0;
  std::fflush(stdout);
  if (settings.inputs.size() == 1) {
    printer.message(failures.front());
    return 1;
  }
  printer.message(std::to_string(failures.size()) + " of " + std::to_string(settings.inputs.size()) + " files failed:");
  for (const std::string& failure : failures) printer.message("failed: " + failure);
  return 1;
}

}  // namespace espalier::cli
