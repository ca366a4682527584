// Facts about a checkpoint, read from configurations and headers alone.
#include <functional>

#include "espalier/espalier.h"
#include "finishing/finish.h"
#include "geometry/mesh/mesh_report.h"
#include "io/formats/mesh_reader.h"
#include "models/dino/dino.h"
#include "models/trellis/slat_decoder.h"
#include "models/trellis/sparse_structure_flow.h"
#include "models/trellis/sparse_structure_vae.h"
#include "models/trellis/structured_latent_flow.h"
#include "session/checkpoint.h"

namespace espalier {
namespace {

template <class Model, class Config>
void check(Queue<Cpu>& queue, const ModuleSource& m, const Config& config) {
  (void)measure_weights<Model>(queue, *m.tensors, config);
}

// Compares a module's tensors with the network of its class; classes that this version has no network for pass.
void check_module(Queue<Cpu>& queue, const Checkpoint& checkpoint, const ModuleSource& m) {
  const std::string& name = m.class_name;
  if (name == "DinoVisionTransformer") {
    const DinoConfig config = m.args.is_null() ? DinoConfig::named(checkpoint.image_encoder) : DinoConfig::from(m.arguments());
    check<Dino<Cpu, float>>(queue, m, Dino<Cpu, float>::Shape{config, config.image_size, config.image_size});
  } else if (name == "SparseStructureFlowModel") {
    check<SparseStructureFlow<Cpu, float>>(queue, m, SparseStructureFlowConfig::from(m.arguments()));
  } else if (name == "SLatFlowModel") {
    check<StructuredLatentFlow<Cpu, float>>(queue, m, StructuredLatentFlowConfig::from(m.arguments()));
  } else if (name == "SparseStructureDecoder") {
    check<SparseStructureDecoder<Cpu, float>>(queue, m, SparseStructureVaeConfig::from_decoder(m.arguments()));
  } else if (name == "SparseStructureEncoder") {
    check<SparseStructureEncoder<Cpu, float>>(queue, m, SparseStructureVaeConfig::from_encoder(m.arguments()));
  } else if (name == "SLatGaussianDecoder") {
    check<GaussianDecoder<Cpu, float>>(queue, m, GaussianDecoderConfig::from(m.arguments()));
  } else if (name == "SLatRadianceFieldDecoder") {
    check<RadianceDecoder<Cpu, float>>(queue, m, RadianceDecoderConfig::from(m.arguments()));
  } else if (name == "SLatMeshDecoder") {
    check<MeshDecoder<Cpu, float>>(queue, m, MeshDecoderConfig::from(m.arguments()));
  } else {
    fail(ErrorCode::unsupported, m.where, ": this version has no such network");
  }
}

}  // namespace

CheckpointInfo inspect_checkpoint(const std::filesystem::path& folder, const std::filesystem::path& image_encoder) {
  const Checkpoint checkpoint = open_checkpoint(folder, image_encoder);
  Queue<Cpu> queue;
  CheckpointInfo info;
  info.folder = folder;
  info.pipeline = checkpoint.pipeline;
  for (const auto& [role, m] : checkpoint.modules) {
    check_module(queue, checkpoint, m);
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

MeshSummary summarise_mesh_file(const std::filesystem::path& path) { return summary_of(report_of(read_mesh(path).mesh)); }

}  // namespace espalier
