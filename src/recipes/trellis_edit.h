// A part of an asset made anew: both stages sample inside, while what is outside is held by the flow of its own noise (RePaint,
// Lugmayr et al. 2022, for rectified flows), and is put back bit for bit where it was.
#pragma once

#include <cstdint>
#include <vector>

#include "recipes/recipe.h"
#include "recipes/trellis_latent.h"

namespace espalier {

class TrellisEdit {
 public:
  // Throws invalid_argument for an asset or a region that cannot be edited, before anything runs. All that is given outlives
  // it.
  TrellisEdit(Session& session, const TrellisSettings& settings, const PartEdit& edit);

  // The structure inside the region. Left out, the structure stays.
  void sample_structure(const Condition& condition, const SamplerSettings& settings, TorchGenerator& stream);
  // The latent inside the region and its rim.
  void sample_latent(const Condition& condition, const SamplerSettings& settings, TorchGenerator& stream);
  // What the request asks for, and the latents, to the sink.
  void decode(const Request& request, RecipeSink& sink);

  [[nodiscard]] const Voxels& voxels() const { return voxels_; }

 private:
  void check_asset() const;
  void check_region() const;
  void set_voxels(Voxels voxels);
  [[nodiscard]] std::vector<std::uint8_t> kept_structure_values(int resolution, std::int64_t channels) const;
  [[nodiscard]] Flow::Input::Kept kept(const std::vector<float>& known, const std::vector<std::uint8_t>& marks,
                                       TorchGenerator& stream) const;
  // Rows of `per_voxel` values: of kept voxels those of `before`, of others those of `now`.
  void put_back(const std::vector<float>& before, std::size_t per_voxel, std::vector<float>& now) const;
  [[nodiscard]] Gaussians decode_gaussians();
  [[nodiscard]] RadianceField decode_radiance_field();
  [[nodiscard]] Mesh decode_mesh(SurfaceRule rule);

  Session& session_;
  const TrellisSettings& settings_;
  const PartEdit& edit_;
  CellMarks inside_, touched_;              // the region; with its rim
  Voxels voxels_;                           // of the edited asset
  std::vector<std::int64_t> row_before_{};  // of each of them: its row in the asset, or -1 where its latent is sampled
  std::vector<float> structure_, latent_;
};

}  // namespace espalier
