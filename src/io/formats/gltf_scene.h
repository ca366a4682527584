// The nodes of a glTF scene: where they stand, and what hangs on them.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "io/formats/gltf_document.h"

namespace espalier::reader {

using GltfMatrix = std::array<double, 16>;  // column by column, as glTF has it

inline constexpr GltfMatrix kGltfIdentity = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};

[[nodiscard]] GltfMatrix product(const GltfMatrix& a, const GltfMatrix& b);
[[nodiscard]] double determinant(const GltfMatrix& m);  // of its turning part
// Which turns normals: right by uneven scaling, too.
[[nodiscard]] GltfMatrix cofactors_of(const GltfMatrix& m);
// `w` is 1 for places and 0 for directions.
[[nodiscard]] std::array<double, 3> transformed(const GltfMatrix& m, const std::array<double, 3>& p, double w);

class GltfScene {
 public:
  explicit GltfScene(GltfDocument& document) : document_(document), source_(document.source()) {}

  // Calls `show` for every mesh of the default scene, once for each instance. In a file without scenes all nodes
  // that hang on no other are the scene; without nodes it shows all its meshes.
  using Show = std::function<void(const GltfJson& node, std::uint64_t mesh, const GltfMatrix& to_world)>;
  void walk(const Show& show);
  // What each joint of a skin does to a vertex in the pose of the file. Inside of walk().
  [[nodiscard]] std::vector<GltfMatrix> joints(std::uint64_t skin);

 private:
  struct Visit {
    std::uint64_t node;
    GltfMatrix to_world;
  };
  [[nodiscard]] std::vector<std::uint64_t> roots() const;
  void place_nodes();
  void push_children(const GltfJson& parent, const char* key, const GltfMatrix& to_world, std::vector<Visit>& stack) const;
  [[nodiscard]] GltfMatrix local_matrix(const GltfJson& node) const;
  void show_instances(const GltfJson& node, std::uint64_t mesh, const GltfMatrix& to_world, const Show& show);

  GltfDocument& document_;
  const Source& source_;
  std::vector<std::optional<GltfMatrix>> placed_;  // of the nodes in the scene
  std::vector<std::uint64_t> order_;
};

}  // namespace espalier::reader
