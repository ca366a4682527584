// Facts about a checkpoint, read from configurations and headers alone.
#include "api/models.h"
#include "espalier/diagnostics.h"
#include "finishing/finish.h"
#include "geometry/mesh/mesh_report.h"
#include "io/formats/mesh_reader.h"
#include "recipes/recipe.h"
#include "session/session.h"

namespace espalier {
CheckpointInfo inspect_checkpoint(const std::filesystem::path& folder, const std::filesystem::path& image_encoder,
                                  const std::map<std::string, std::filesystem::path>& repositories) {
  const auto opened =
      std::make_shared<const Checkpoint>(open_checkpoint(folder, image_encoder, with_neighbours(folder, repositories)));
  const Checkpoint& checkpoint = *opened;
  // Opening checks every tensor, and whether the networks fit together; the low tier loads nothing.
  const Session session({.tier = MemoryTier::low}, opened, trellis_networks());
  (void)trellis_recipes().find(checkpoint.pipeline, checkpoint.where).open(session);
  CheckpointInfo info;
  info.folder = folder;
  info.pipeline = checkpoint.pipeline;
  for (const auto& [role, m] : checkpoint.modules) {
    ModuleInfo module;
    module.role = role;
    module.name = m.class_name;
    module.file = m.file;
    for (const auto& [name, entry] : m.tensors->entries()) {
      ++module.tensors;
      module.parameters += checked_size(entry.extents);
      module.bytes += static_cast<std::int64_t>(entry.bytes);
      ++module.tensors_by_dtype[name_of(entry.dtype)];
    }
    info.modules.push_back(std::move(module));
  }
  return info;
}

MeshSummary summarise_mesh_file(const std::filesystem::path& path, const LoadOptions& load, std::vector<std::string>* notices) {
  ReadOptions options;
  options.strict = load.strict;
  MeshFile file = read_mesh(path, options);
  if (notices != nullptr) *notices = std::move(file.notices);
  return searched_summary_of(report_of(file.mesh), file.mesh);
}

}  // namespace espalier
