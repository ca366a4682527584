// What is decoded of an edited asset: of voxels that the edit kept, the values that they had before.
#include <algorithm>
#include <span>
#include <utility>

#include "recipes/trellis_edit.h"

namespace espalier {

Gaussians TrellisEdit::decode_gaussians() {
  auto& decoder = decoder_of<GaussianNetwork>(session_, kGaussianDecoder, "Gaussians");
  Gaussians now = decoder.decode(voxels_, latent_);
  const auto per_voxel = static_cast<std::size_t>(now.count() / voxels_.rows());
  const bool known = edit_.gaussians != nullptr && edit_.gaussians->sh.empty() &&
                     edit_.gaussians->opacity.size() == per_voxel * static_cast<std::size_t>(edit_.voxels->rows());
  const Gaussians before = known ? *edit_.gaussians : decoder.decode(*edit_.voxels, *edit_.latent);
  put_back(before.xyz, 3 * per_voxel, now.xyz);
  put_back(before.dc, 3 * per_voxel, now.dc);
  put_back(before.scale, 3 * per_voxel, now.scale);
  put_back(before.rotation, 4 * per_voxel, now.rotation);
  put_back(before.opacity, per_voxel, now.opacity);
  return now;
}

RadianceField TrellisEdit::decode_radiance_field() {
  auto& decoder = decoder_of<RadianceFieldNetwork>(session_, kRadianceFieldDecoder, "a radiance field");
  RadianceField now = decoder.decode(voxels_, latent_);
  const RadianceField* stored = edit_.radiance_field;
  const auto rows = static_cast<std::size_t>(edit_.voxels->rows());
  const bool known = stored != nullptr && stored->resolution == now.resolution && stored->rank == now.rank &&
                     stored->dim == now.dim && stored->position.size() == 3 * rows;
  const RadianceField before = known ? *stored : decoder.decode(*edit_.voxels, *edit_.latent);
  const auto rank = static_cast<std::size_t>(now.rank);
  put_back(before.trivec, rank * 3 * static_cast<std::size_t>(now.dim), now.trivec);
  put_back(before.density, rank, now.density);
  put_back(before.features_dc, rank * 3, now.features_dc);
  return now;
}

Mesh TrellisEdit::decode_mesh(SurfaceRule rule) {
  auto& decoder = decoder_of<MeshNetwork>(session_, kMeshDecoder, "a mesh");
  struct Step {
    std::vector<std::int64_t> rows;
    CellMarks kept;
  };
  std::vector<Step> steps;
  const auto step = [&](const Voxels& before, const Voxels& now, const CellMarks& touched) {
    Step made{rows_kept(before, now, touched), touched};
    for (std::uint8_t& mark : made.kept) mark = mark == 0 ? 1 : 0;
    steps.push_back(std::move(made));
  };
  const std::span<const EarlierState> earlier = edit_.earlier;
  for (std::size_t k = 0; k < earlier.size(); ++k)
    step(earlier[k].voxels, k + 1 < earlier.size() ? earlier[k + 1].voxels : *edit_.voxels, earlier[k].touched);
  step(*edit_.voxels, voxels_, touched_);

  std::vector<MeshNetwork::State> states;
  const auto add = [&](const Voxels& voxels, const std::vector<float>& latent) {
    MeshNetwork::State state{&voxels, latent, {}, {}};
    if (!states.empty()) {
      state.row = steps[states.size() - 1].rows;
      state.kept = steps[states.size() - 1].kept;
    }
    states.push_back(state);
  };
  for (const EarlierState& s : earlier) add(s.voxels, s.latent);
  add(*edit_.voxels, *edit_.latent);
  add(voxels_, latent_);
  return decoder.decode_edited(states, rule);
}

void TrellisEdit::decode(const Request& request, RecipeSink& sink) {
  if (!structure_.empty()) sink.structure(structure_);
  sink.earlier({*edit_.voxels, *edit_.latent, touched_});
  sink.latent(voxels_, latent_);
  if (std::none_of(row_before_.begin(), row_before_.end(), [](std::int64_t row) { return row >= 0; }))
    sink.notice("the region and its rim hold the whole asset: nothing of it is kept");
  if (request.gaussians) sink.gaussians(decode_gaussians());
  if (request.mesh) sink.mesh(decode_mesh(request.surface), request.surface);
  if (request.radiance_field) sink.radiance_field(decode_radiance_field());
}

}  // namespace espalier
