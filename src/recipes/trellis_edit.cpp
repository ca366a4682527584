#include "recipes/trellis_edit.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/error.h"

namespace espalier {
namespace {

std::size_t cells_of(const Voxels& voxels) {
  const auto side = static_cast<std::size_t>(voxels.resolution);
  return side * side * side;
}

}  // namespace

TrellisEdit::TrellisEdit(Session& session, const TrellisSettings& settings, const PartEdit& edit)
    : session_(session), settings_(settings), edit_(edit), structure_(*edit.structure) {
  check_asset();
  inside_ = edit.region->cells(edit.voxels->resolution);
  touched_ = grown(inside_, edit.voxels->resolution, edit.rim);
  check_region();
  set_voxels(*edit.voxels);
}

void TrellisEdit::check_asset() const {
  const NetworkShape latent = session_.plan(kLatentFlow).shape(), structure = session_.plan(kStructureFlow).shape();
  const Voxels& voxels = *edit_.voxels;
  if (voxels.rows() == 0) {
    fail(ErrorCode::invalid_argument, "the asset has no voxels and latents, so no part of it can be sampled",
         hint("edit takes what generate --save-asset wrote"));
  }
  const std::int64_t side = structure.resolution;
  const auto is_state = [&](const Voxels& v, const std::vector<float>& values) {
    return v.resolution == latent.resolution && v.batch() == 1 && v.rows() > 0 &&
           static_cast<std::int64_t>(values.size()) == v.rows() * latent.in_channels;
  };
  const bool fits =
      is_state(voxels, *edit_.latent) &&
      std::all_of(
          edit_.earlier.begin(), edit_.earlier.end(),
          [&](const EarlierState& s) { return is_state(s.voxels, s.latent) && s.touched.size() == cells_of(voxels); }) &&
      (structure_.empty() || static_cast<std::int64_t>(structure_.size()) == structure.in_channels * side * side * side);
  if (!fits) {
    fail(ErrorCode::invalid_argument, "the latents of the asset are those of another checkpoint than ",
         session_.checkpoint().folder.string(), hint("name the checkpoint that made the asset with --model"));
  }
  if (structure_.empty() && !edit_.keep_structure) {
    fail(ErrorCode::invalid_argument, "the asset does not hold the latent of its structure, which its shape is changed from",
         hint("generate it again with --save-asset, or change its appearance alone with --appearance-only"));
  }
}

void TrellisEdit::check_region() const {
  const CellMarks& wanted = edit_.keep_structure ? inside_ : touched_;
  const Voxels& voxels = *edit_.voxels;
  for (std::size_t i = 0; i < voxels.coords.size(); i += 4) {
    if (wanted[cell_of(voxels, i)] != 0) return;
  }
  fail(ErrorCode::invalid_argument, "region ", edit_.region->text(), " lies outside the asset",
       hint("its voxels lie in ", box_in_words(voxels)));
}

void TrellisEdit::set_voxels(Voxels voxels) {
  voxels_ = std::move(voxels);
  row_before_ = rows_kept(*edit_.voxels, voxels_, touched_);
}

Flow::Input::Kept TrellisEdit::kept(const std::vector<float>& known, const std::vector<std::uint8_t>& marks,
                                    TorchGenerator& stream) const {
  return {known, marks, edit_.repeats, [&stream](std::span<float> out) { stream.randn(out); }};
}

// A value of the structure's latent is kept where no voxel of its cell lies in the region. [channels, r, r, r].
std::vector<std::uint8_t> TrellisEdit::kept_structure_values(int resolution, std::int64_t channels) const {
  const int side = edit_.voxels->resolution, scale = side / resolution;
  const auto r = static_cast<std::size_t>(resolution), values = r * r * r;
  std::vector<std::uint8_t> marks(values, 1);
  for (std::size_t i = 0; i < inside_.size(); ++i) {
    if (inside_[i] == 0) continue;
    const auto s = static_cast<std::size_t>(side), q = static_cast<std::size_t>(scale);
    marks[(i / (s * s) / q * r + i / s % s / q) * r + i % s / q] = 0;
  }
  std::vector<std::uint8_t> all;
  for (std::int64_t c = 0; c < channels; ++c) all.insert(all.end(), marks.begin(), marks.end());
  return all;
}

void TrellisEdit::sample_structure(const Condition& condition, const SamplerSettings& settings, TorchGenerator& stream) {
  const NetworkShape shape = session_.plan(kStructureFlow).shape();
  Flow& flow = session_.network<Flow>(kStructureFlow);
  const std::vector<float> noise = draw_noise(stream, flow.noise_values(nullptr));
  const std::vector<std::uint8_t> marks = kept_structure_values(shape.resolution, shape.in_channels);
  const Flow::Input::Kept held = kept(*edit_.structure, marks, stream);
  structure_ = flow.sample({.noise = noise, .kept = &held}, condition, settings);
  const Structure made = decode_structure(session_, structure_);
  Voxels all = joined(voxels_where(*edit_.voxels, inside_, false), voxels_where(made.voxels, inside_, true));
  if (all.rows() == 0) {
    fail(ErrorCode::invalid_argument, "the region holds the whole asset, and the first stage found no active voxel in it",
         hint("try another seed, more steps or another region"));
  }
  set_voxels(std::move(all));
}

void TrellisEdit::put_back(const std::vector<float>& before, std::size_t per_voxel, std::vector<float>& now) const {
  for (std::size_t r = 0; r < row_before_.size(); ++r) {
    if (row_before_[r] < 0) continue;
    std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(row_before_[r]) * per_voxel), per_voxel,
                now.begin() + static_cast<std::ptrdiff_t>(r * per_voxel));
  }
}

void TrellisEdit::sample_latent(const Condition& condition, const SamplerSettings& settings, TorchGenerator& stream) {
  Flow& flow = session_.network<Flow>(kLatentFlow);
  const std::size_t channels = settings_.mean.size();
  const std::vector<float> noise = draw_noise(stream, flow.noise_values(&voxels_));
  std::vector<float> known(noise.size(), 0.0F);
  put_back(*edit_.latent, channels, known);
  std::vector<std::uint8_t> marks(noise.size(), 0);
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (row_before_[i / channels] < 0) continue;
    const std::size_t c = i % channels;
    known[i] = settings_.deviation[c] != 0.0F ? (known[i] - settings_.mean[c]) / settings_.deviation[c] : 0.0F;
    marks[i] = 1;
  }
  const Flow::Input::Kept held = kept(known, marks, stream);
  latent_ =
      flow.sample({.noise = noise, .voxels = &voxels_, .mean = settings_.mean, .deviation = settings_.deviation, .kept = &held},
                  condition, settings);
  put_back(*edit_.latent, channels, latent_);  // what the way through the normalisation rounded
}

}  // namespace espalier
