#include "summary.h"

#include "text.h"

namespace espalier::cli {

std::string in_words(const MeshSummary& mesh) {
  return thousands(mesh.faces) + " faces, " + thousands(mesh.vertices) + " vertices, " + thousands(mesh.components) +
         " components, " + thousands(mesh.boundary_edges) + " boundary edges, " +
         (mesh.watertight ? "watertight" : "not watertight") + ", winding " +
         (mesh.consistent_winding ? "consistent" : "not consistent");
}

nlohmann::ordered_json json_of(const MeshSummary& m) {
  return {{"faces", m.faces},
          {"vertices", m.vertices},
          {"components", m.components},
          {"boundary_edges", m.boundary_edges},
          {"holes", m.holes},
          {"non_manifold_edges", m.non_manifold_edges},
          {"degenerate_faces", m.degenerate_faces},
          {"duplicate_faces", m.duplicate_faces},
          {"watertight", m.watertight},
          {"consistent_winding", m.consistent_winding},
          {"area", m.area},
          {"volume", m.volume},
          {"low", m.low},
          {"high", m.high}};
}

}  // namespace espalier::cli
