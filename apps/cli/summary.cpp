#include "summary.h"

#include "text.h"

namespace espalier::cli {

std::string in_words(const MeshSummary& mesh) {
  return thousands(mesh.faces) + " faces, " + thousands(mesh.positions) + " vertices, " + thousands(mesh.components) +
         " components, " + thousands(mesh.boundary_edges) + " boundary edges, " +
         (mesh.watertight ? "watertight" : "not watertight") + ", winding " +
         (mesh.consistent_winding ? "consistent" : "not consistent");
}

std::string searched_in_words(const MeshSummary& mesh) {
  if (mesh.hidden_share < 0) return {};
  return fixed(100 * mesh.hidden_share, 2) + " % of the area hidden, " + thousands(mesh.crossing_faces) +
         " faces cross others, " +
         (mesh.handles < 0 ? std::string("not a closed surface") : thousands(mesh.handles) + " handles");
}

nlohmann::ordered_json json_of(const MeshSummary& m) {
  using Json = nlohmann::ordered_json;
  return {{"faces", m.faces},
          {"vertices", m.vertices},
          {"positions", m.positions},
          {"components", m.components},
          {"boundary_edges", m.boundary_edges},
          {"holes", m.holes},
          {"non_manifold_edges", m.non_manifold_edges},
          {"degenerate_faces", m.degenerate_faces},
          {"duplicate_faces", m.duplicate_faces},
          {"watertight", m.watertight},
          {"consistent_winding", m.consistent_winding},
          {"area", m.area},
          {"volume", m.watertight ? Json(m.volume) : Json(nullptr)},
          {"handles", m.handles < 0 ? Json(nullptr) : Json(m.handles)},
          {"hidden_share", m.hidden_share < 0 ? Json(nullptr) : Json(m.hidden_share)},
          {"crossing_faces", m.crossing_faces < 0 ? Json(nullptr) : Json(m.crossing_faces)},
          {"crease_length", m.crease_length < 0 ? Json(nullptr) : Json(m.crease_length)},
          {"thin_wall", m.thin_wall < 0 ? Json(nullptr) : Json(m.thin_wall)},
          {"overhang_share", m.overhang_share < 0 ? Json(nullptr) : Json(m.overhang_share)},
          {"low", m.low},
          {"high", m.high}};
}

nlohmann::ordered_json json_of(const GaussianSummary& g) {
  return {{"gaussians", g.gaussians},
          {"harmonics_degree", g.harmonics_degree},
          {"unseen", g.unseen},
          {"mean_opacity", g.mean_opacity},
          {"median_scale", g.median_scale},
          {"low", g.low},
          {"high", g.high}};
}

}  // namespace espalier::cli
