#include "session/registry.h"

#include <algorithm>

#include "session/networks/decoders.h"
#include "session/networks/encoder.h"
#include "session/networks/flows.h"
#include "session/networks/text_encoder.h"
#include "session/plan_of.h"

namespace espalier {
namespace {

constexpr double kImageTokens = 1374, kTextTokens = 2 * 77, kStructureTokens = 4096;
constexpr double kVoxelsPerToken = 4;  // of the latent's flow, which works on blocks

double image_rows(const WorkSizes& /*sizes*/) { return kImageTokens; }
double text_rows(const WorkSizes& /*sizes*/) { return kTextTokens; }
double structure_rows(const WorkSizes& /*sizes*/) { return kStructureTokens; }
// A convolution's weights act on every voxel of a volume, most of them on the coarser ones.
double volume_rows(const WorkSizes& /*sizes*/) { return 8 * kStructureTokens; }
double token_rows(const WorkSizes& sizes) { return sizes.voxels / kVoxelsPerToken; }
double voxel_rows(const WorkSizes& sizes) { return sizes.voxels; }
// The finer levels have more rows and narrower weights.
double cube_rows(const WorkSizes& sizes) { return 2 * sizes.voxels; }

}  // namespace

const NetworkClass& Registry::find(const std::string& name, const std::string& where) const {
  const auto found = std::find_if(classes_.begin(), classes_.end(), [&](const NetworkClass& c) { return c.name == name; });
  if (found != classes_.end()) return *found;
  std::string known;
  for (const NetworkClass& c : classes_) known += (known.empty() ? "" : ", ") + std::string(c.name);
  fail(ErrorCode::unsupported, where, ": this version has no network of the class ", name, hint("it has ", known));
}

const Registry& trellis_networks() {
  using Group = ResidencyGroup;
  static const Registry registry({
      {"DinoVisionTransformer", Group::encode, plan_of<DinoEncoder>, image_rows, false, kImageEncoder, sample_image_encoder},
      {"CLIPTextModel", Group::encode, plan_of<ClipTextEncoder>, text_rows},
      {"SparseStructureFlowModel", Group::structure, plan_of<StructureFlow>, structure_rows, false, kStructureFlow,
       sample_structure_flow},
      {"SparseStructureDecoder", Group::structure, plan_of<StructureVolumeDecoder>, volume_rows, false, kStructureDecoder,
       sample_structure_decoder},
      {"SparseStructureEncoder", Group::structure, plan_of<StructureVolumeEncoder>, volume_rows, true},
      {"SLatFlowModel", Group::latent, plan_of<LatentFlow>, token_rows, false, kLatentFlow, sample_latent_flow},
      {"SLatGaussianDecoder", Group::decode, plan_of<LatentGaussians>, voxel_rows, false, kGaussianDecoder,
       sample_gaussian_decoder},
      {"SLatMeshDecoder", Group::decode, plan_of<LatentMesh>, cube_rows, false, kMeshDecoder, sample_mesh_decoder},
      {"SLatRadianceFieldDecoder", Group::decode, plan_of<LatentRadianceField>, voxel_rows, true},
  });
  return registry;
}

}  // namespace espalier
