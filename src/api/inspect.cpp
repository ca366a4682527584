// Facts about a checkpoint, read from configurations and headers alone.
#include "api/models.h"
#include "api/pipeline.h"
#include "espalier/checkpoint.h"
#include "espalier/diagnostics.h"
#include "finishing/finish.h"
#include "geometry/mesh/mesh_report.h"
#include "io/formats/mesh_reader.h"
#include "recipes/recipe.h"
#include "recipes/trellis_settings.h"
#include "session/session.h"
#include "weights/quantise.h"

namespace espalier {
CheckpointInfo inspect_checkpoint(const std::filesystem::path& folder, const std::filesystem::path& image_encoder,
                                  const std::map<std::string, std::filesystem::path>& repositories,
                                  const std::filesystem::path& text_encoder) {
  const auto opened = std::make_shared<const Checkpoint>(
      open_checkpoint(folder, {image_encoder, text_encoder}, with_neighbours(folder, repositories)));
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
      if (!holds_scales(*m.tensors, name)) module.parameters += checked_size(entry.extents);
      module.bytes += static_cast<std::int64_t>(entry.bytes);
      ++module.tensors_by_dtype[name_of(entry.dtype)];
    }
    info.modules.push_back(std::move(module));
  }
  return info;
}

namespace {

Checkpoint open_described(const PipelineOptions& options) {
  return open_checkpoint(options.checkpoint, {options.image_encoder, options.text_encoder},
                         with_neighbours(options.checkpoint, options.repositories));
}

}  // namespace

CheckpointDescription describe_checkpoint(const PipelineOptions& options) {
  const Checkpoint checkpoint = open_described(options);
  CheckpointDescription out;
  out.pipeline = checkpoint.pipeline;
  out.text = checkpoint.description;
  out.full_model = checkpoint.full_model;
  out.takes_text = !checkpoint.text_encoder.empty();
  for (const auto& [role, module] : checkpoint.modules) {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(module.file, error);
    if (!error) out.weight_bytes += bytes;
  }
  const TrellisSettings settings = read_trellis_settings(checkpoint);
  out.structure_defaults = {settings.structure.steps, settings.structure.strength};
  out.latent_defaults = {settings.latent.steps, settings.latent.strength};
  return out;
}

MemoryNeed memory_need(const PipelineOptions& options) {
  const auto checkpoint = std::make_shared<const Checkpoint>(open_described(options));
  const DeviceChoice device = DeviceChoice::named(options.device);
  const Precision precision = precision_on(options.precision, device);
  const Session session({.device = device, .precision = precision, .tier = MemoryTier::low}, checkpoint, trellis_networks());
  const Session::MemoryNeed need = session.memory_need();
  return {need.least, need.all};
}

MeshSummary summarise_mesh_file(const std::filesystem::path& path, const LoadOptions& load, std::vector<std::string>* notices) {
  ReadOptions options;
  options.strict = load.strict;
  MeshFile file = read_mesh(path, options);
  if (notices != nullptr) *notices = std::move(file.notices);
  return searched_summary_of(report_of(file.mesh), file.mesh);
}

}  // namespace espalier
