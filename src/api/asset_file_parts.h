// Inside the files of save_asset: arrays, meshes, and what finishing made.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "api/asset.h"
#include "weights/safetensors.h"

namespace espalier {

using Tensors = std::map<std::string, HostTensor>;

// Adds an array of rows with `columns` values each; empty arrays are left out.
template <class T>
void put(Tensors& tensors, const std::string& name, const std::vector<T>& values, std::int64_t columns) {
  if (values.empty()) return;
  tensors.emplace(name, HostTensor::from(values, {static_cast<std::int64_t>(values.size()) / columns, columns}));
}

// The values of an optional array of `rows` rows (-1: any number); nothing when it is not there.
template <class T>
std::vector<T> get(const SafetensorsFile& file, const std::string& name, std::int64_t rows, std::int64_t columns) {
  if (!file.has(name)) return {};
  const HostTensor tensor = file.load(name);
  const std::string where = file.label() + ": " + name;
  (void)tensor.bind<T, 2>(where, {rows, columns});
  std::vector<T> values = tensor.to_vector<T>(where);
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::all_of(values.begin(), values.end(), [](T v) { return std::isfinite(v); })) {
      fail(ErrorCode::format, file.label(), ": ", name, " has values that are not finite");
    }
  }
  return values;
}

template <class T>
std::vector<T> need(const SafetensorsFile& file, const std::string& name, std::int64_t rows, std::int64_t columns) {
  if (!file.has(name)) fail(ErrorCode::format, file.label(), ": ", name, " is missing");
  return get<T>(file, name, rows, columns);
}

// The mesh of the arrays `prefix`vertices, faces and, where they are, colours, normals and uvs. Throws format for indices out
// of range.
[[nodiscard]] Mesh read_mesh(const SafetensorsFile& file, const std::string& prefix);
void put_mesh(const Mesh& mesh, const std::string& prefix, Tensors& tensors);

void put_finished(const FinishedMesh& finished, Tensors& tensors);
// `decoded` may be null; the mesh statistics are those of the meshes that the file holds.
[[nodiscard]] FinishedMesh read_finished(const SafetensorsFile& file, const Mesh* decoded);

}  // namespace espalier
