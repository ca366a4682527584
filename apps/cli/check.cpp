// check: what can be said of the mesh in a file.
#include <cstdio>

#include "commands.h"
#include "places.h"
#include "summary.h"
#include "text.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

const char* yes(bool value) { return value ? "yes" : "no"; }

void print_summary(const fs::path& path, const MeshSummary& m) {
  std::printf("%s\n", path.c_str());
  Table table({"", ""});
  table.add({"faces", thousands(m.faces)});
  table.add({"vertices", thousands(m.vertices)});
  table.add({"components", thousands(m.components)});
  table.add({"boundary edges", thousands(m.boundary_edges)});
  table.add({"holes", thousands(m.holes)});
  table.add({"non-manifold edges", thousands(m.non_manifold_edges)});
  table.add({"degenerate faces", thousands(m.degenerate_faces)});
  table.add({"duplicate faces", thousands(m.duplicate_faces)});
  table.add({"watertight", yes(m.watertight)});
  table.add({"consistent winding", yes(m.consistent_winding)});
  table.add({"size",
             fixed(m.high[0] - m.low[0], 4) + " x " + fixed(m.high[1] - m.low[1], 4) + " x " + fixed(m.high[2] - m.low[2], 4)});
  table.add({"area", fixed(m.area, 5)});
  if (m.watertight) table.add({"volume", fixed(m.volume, 6)});
  std::printf("%s", table.text().c_str());
}

}  // namespace

int check(const Settings& settings) {
  if (settings.inputs.empty()) throw UsageError("no file is given: espalier check FILE...");
  nlohmann::ordered_json report = nlohmann::ordered_json::array();
  for (const fs::path& path : settings.inputs) {
    check_readable(path, "mesh");
    const MeshSummary summary = summarise_mesh_file(path);
    if (settings.json) {
      nlohmann::ordered_json row = json_of(summary);
      row["file"] = path.string();
      report.push_back(row);
    } else {
      print_summary(path, summary);
    }
  }
  if (settings.json) std::printf("%s\n", report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace espalier::cli
