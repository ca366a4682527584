#include "io/formats/gltf_scene.h"

namespace espalier::reader {

using Json = GltfJson;

GltfMatrix product(const GltfMatrix& a, const GltfMatrix& b) {
  GltfMatrix out{};
  for (std::size_t c = 0; c < 4; ++c) {
    for (std::size_t r = 0; r < 4; ++r) {
      for (std::size_t k = 0; k < 4; ++k) out[c * 4 + r] += a[k * 4 + r] * b[c * 4 + k];
    }
  }
  return out;
}

double determinant(const GltfMatrix& m) {
  return m[0] * (m[5] * m[10] - m[9] * m[6]) - m[4] * (m[1] * m[10] - m[9] * m[2]) + m[8] * (m[1] * m[6] - m[5] * m[2]);
}

GltfMatrix cofactors_of(const GltfMatrix& m) {
  return {m[5] * m[10] - m[9] * m[6],
          m[8] * m[6] - m[4] * m[10],
          m[4] * m[9] - m[8] * m[5],
          0,
          m[9] * m[2] - m[1] * m[10],
          m[0] * m[10] - m[8] * m[2],
          m[8] * m[1] - m[0] * m[9],
          0,
          m[1] * m[6] - m[5] * m[2],
          m[4] * m[2] - m[0] * m[6],
          m[0] * m[5] - m[4] * m[1],
          0,
          0,
          0,
          0,
          1};
}

std::array<double, 3> transformed(const GltfMatrix& m, const std::array<double, 3>& p, double w) {
  std::array<double, 3> out;
  for (std::size_t r = 0; r < 3; ++r) out[r] = m[r] * p[0] + m[4 + r] * p[1] + m[8 + r] * p[2] + m[12 + r] * w;
  return out;
}

namespace {

GltfMatrix composed(const std::array<double, 3>& t, const std::array<double, 4>& r, const std::array<double, 3>& s) {
  const auto [x, y, z, w] = r;
  return {(1 - 2 * (y * y + z * z)) * s[0],
          2 * (x * y + z * w) * s[0],
          2 * (x * z - y * w) * s[0],
          0,
          2 * (x * y - z * w) * s[1],
          (1 - 2 * (x * x + z * z)) * s[1],
          2 * (y * z + x * w) * s[1],
          0,
          2 * (x * z + y * w) * s[2],
          2 * (y * z - x * w) * s[2],
          (1 - 2 * (x * x + y * y)) * s[2],
          0,
          t[0],
          t[1],
          t[2],
          1};
}

}  // namespace

void GltfScene::walk(const Show& show) {
  if (document_.count("scenes") == 0 && document_.count("nodes") == 0) {
    const Json nothing = Json::object();
    for (std::size_t i = 0; i < document_.count("meshes"); ++i) show(nothing, i, kGltfIdentity);
    return;
  }
  place_nodes();
  for (const std::uint64_t index : order_) {
    source_.tick();
    const Json& node = document_.item("nodes", index);
    if (GltfDocument::find(node, "mesh") == nullptr) continue;
    show_instances(node, document_.natural(node, "mesh", 0), *placed_[static_cast<std::size_t>(index)], show);
  }
}

// The nodes that are no other's children, the last first.
std::vector<std::uint64_t> GltfScene::roots() const {
  std::vector<bool> hangs(document_.count("nodes"), false);
  for (std::size_t i = 0; i < hangs.size(); ++i) {
    const Json* children = GltfDocument::find(document_.item("nodes", i), "children");
    if (children == nullptr || !children->is_array()) continue;
    for (const Json& child : *children) {
      source_.tick();
      if (child.is_number_unsigned() && child.get<std::uint64_t>() < hangs.size())
        hangs[static_cast<std::size_t>(child.get<std::uint64_t>())] = true;
    }
  }
  std::vector<std::uint64_t> out;
  for (std::size_t i = hangs.size(); i-- > 0;) {
    if (!hangs[i]) out.push_back(i);
  }
  return out;
}

void GltfScene::place_nodes() {
  std::vector<Visit> stack;
  if (document_.count("scenes") == 0) {
    for (const std::uint64_t root : roots()) stack.push_back({root, kGltfIdentity});
  } else {
    push_children(document_.item("scenes", document_.natural(document_.json(), "scene", 0)), "nodes", kGltfIdentity, stack);
  }
  placed_.assign(document_.count("nodes"), std::nullopt);
  while (!stack.empty()) {
    source_.tick();
    const Visit visit = stack.back();
    stack.pop_back();
    const Json& node = document_.item("nodes", visit.node);
    auto& place = placed_[static_cast<std::size_t>(visit.node)];
    if (place) source_.damaged("node ", visit.node, " hangs in the scene twice");
    place = product(visit.to_world, local_matrix(node));
    order_.push_back(visit.node);
    push_children(node, "children", *place, stack);
  }
}

void GltfScene::push_children(const Json& parent, const char* key, const GltfMatrix& to_world,
                              std::vector<Visit>& stack) const {
  const Json* children = GltfDocument::find(parent, key);
  if (children == nullptr || !children->is_array()) return;
  for (auto child = children->rbegin(); child != children->rend(); ++child) {
    if (!child->is_number_unsigned()) source_.damaged("a node has a child that is not a number");
    stack.push_back({child->get<std::uint64_t>(), to_world});
  }
}

GltfMatrix GltfScene::local_matrix(const Json& node) const {
  if (GltfDocument::find(node, "matrix") != nullptr) return document_.numbers<16>(node, "matrix", kGltfIdentity);
  return composed(document_.numbers<3>(node, "translation", {0, 0, 0}), document_.numbers<4>(node, "rotation", {0, 0, 0, 1}),
                  document_.numbers<3>(node, "scale", {1, 1, 1}));
}

// EXT_mesh_gpu_instancing shows the mesh of a node at each of its places instead of once.
void GltfScene::show_instances(const Json& node, std::uint64_t mesh, const GltfMatrix& to_world, const Show& show) {
  const Json* instancing = GltfDocument::extension(node, "EXT_mesh_gpu_instancing");
  const Json* attributes = instancing == nullptr ? nullptr : GltfDocument::find(*instancing, "attributes");
  if (attributes == nullptr) return show(node, mesh, to_world);
  std::size_t count = 0;
  const auto values = [&](const char* name, std::size_t width) -> std::optional<GltfAccessor> {
    if (GltfDocument::find(*attributes, name) == nullptr) return std::nullopt;
    const GltfAccessor a = document_.accessor(document_.natural(*attributes, name, 0));
    if (a.width != width || (count != 0 && a.count != count)) source_.damaged("the instances of a node do not fit each other");
    count = a.count;
    return a;
  };
  const auto moved = values("TRANSLATION", 3), turned = values("ROTATION", 4), scaled = values("SCALE", 3);
  const auto row = [](const std::optional<GltfAccessor>& from, std::size_t i, auto otherwise) {
    for (std::size_t k = 0; from && k < otherwise.size(); ++k) otherwise[k] = from->at(i, k);
    return otherwise;
  };
  for (std::size_t i = 0; i < count; ++i) {
    source_.visit();
    show(node, mesh,
         product(to_world,
                 composed(row(moved, i, std::array<double, 3>{0, 0, 0}), row(turned, i, std::array<double, 4>{0, 0, 0, 1}),
                          row(scaled, i, std::array<double, 3>{1, 1, 1}))));
  }
}

std::vector<GltfMatrix> GltfScene::joints(std::uint64_t skin) {
  const Json& json = document_.item("skins", skin);
  const Json* list = GltfDocument::find(json, "joints");
  if (list == nullptr || !list->is_array()) source_.damaged("skin ", skin, " has no joints");
  source_.take_memory(list->size(), sizeof(GltfMatrix));
  std::optional<GltfAccessor> inverse;
  if (GltfDocument::find(json, "inverseBindMatrices") != nullptr) {
    inverse = document_.accessor(document_.natural(json, "inverseBindMatrices", 0));
    if (inverse->width != 16 || inverse->count < list->size())
      source_.damaged("the matrices of skin ", skin, " do not fit its joints");
  }
  std::vector<GltfMatrix> out;
  out.reserve(list->size());
  for (std::size_t j = 0; j < list->size(); ++j) {
    source_.tick();
    const Json& joint = (*list)[j];
    if (!joint.is_number_unsigned()) source_.damaged("skin ", skin, " has a joint that is not a number");
    const auto node = joint.get<std::uint64_t>();
    if (node >= placed_.size() || !placed_[static_cast<std::size_t>(node)])
      source_.damaged("skin ", skin, " hangs on node ", node, ", which is not in the scene");
    GltfMatrix bind = kGltfIdentity;
    for (std::size_t e = 0; inverse && e < 16; ++e) bind[e] = inverse->at(j, e);
    out.push_back(product(*placed_[static_cast<std::size_t>(node)], bind));
  }
  return out;
}

}  // namespace espalier::reader
