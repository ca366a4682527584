#include "recipes/trellis_latent.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "parallel/parallel_for.h"
#include "samplers/reuse.h"

namespace espalier {
namespace {

void check_channels(const Checkpoint& c, const char* maker, std::int64_t made, const char* taker, std::int64_t taken) {
  if (made == taken) return;
  fail(ErrorCode::format, c.where, ": ", taker, " takes ", taken, " latent channels, but ", maker, " makes ", made);
}

template <class Decoder>
void check_decoder(const Session& session, const char* role, const NetworkShape& flow) {
  if (!session.has(role)) return;
  const NetworkShape decoder = session.plan_as<Decoder>(role).shape();
  check_channels(session.checkpoint(), kLatentFlow, flow.out_channels, role, decoder.in_channels);
}

// Time goes with the evaluations of each step, not with the steps.
PlannedStage plan_flow(Stage stage, const SamplerSettings& settings, int conditions, double seconds) {
  std::vector<PlannedStep> steps;
  for (const StepPlan& step : plan_steps(settings, conditions)) {
    steps.push_back(
        {static_cast<double>(steps.size() + 1) / settings.steps, static_cast<double>(step.branches.size()) * seconds});
  }
  return stage_of_steps(stage, StageKind::network, std::move(steps));
}

// Previews of a structure: at most so many, and at most that share of its sampling.
constexpr int kMostPreviews = 6;
constexpr double kPreviewShare = 0.1;

// Steps from one preview to the next.
int steps_between_previews(const Session& session, const SamplerSettings& settings, int conditions) {
  if (reuses(settings)) return settings.steps;                    // a run that reuses velocities has no parts
  if (session.tier() != MemoryTier::high) return settings.steps;  // the weights of flow and decoder would take turns
  const double sampling = evaluations(settings, conditions) * session.usual_seconds(kStructureFlow, {});
  const double decoding = session.usual_seconds(kStructureDecoder, {});
  const double affordable = decoding > 0.0 ? kPreviewShare * sampling / decoding : 0.0;
  const int count = static_cast<int>(std::min<double>(affordable, kMostPreviews));
  return count == 0 ? settings.steps : std::max(2, (settings.steps + count) / (count + 1));
}

// While it lives, all that runs is part of sampling the structure.
class PartOfSampling {
 public:
  explicit PartOfSampling(Session& session) : session_(session) { session.part_of(Stage::sample_structure); }
  PartOfSampling(const PartOfSampling&) = delete;
  PartOfSampling& operator=(const PartOfSampling&) = delete;
  ~PartOfSampling() { session_.part_of(std::nullopt); }

 private:
  Session& session_;
};

// The same bits with previews and without.
std::vector<float> sample_with_previews(Session& session, const Condition& condition, const SamplerSettings& settings,
                                        std::vector<float> state, RecipeSink& sink) {
  const PartOfSampling part(session);
  const int between = steps_between_previews(session, settings, static_cast<int>(condition.items));
  for (int first = 0; first < settings.steps; first += between) {
    const int last = std::min(first + between, settings.steps);
    const bool shown = last < settings.steps;
    std::vector<float> estimate;
    state = session.network<Flow>(kStructureFlow)
                .sample({.noise = state, .range = {first, last}, .estimate = shown ? &estimate : nullptr}, condition, settings);
    if (shown) sink.preview(decode_structure(session, estimate).voxels, last, settings.steps);
  }
  return state;
}

}  // namespace

void check_trellis_networks(const Session& session, const TrellisSettings& settings, std::int64_t condition_channels) {
  const Checkpoint& c = session.checkpoint();
  const NetworkShape structure = session.plan_as<Flow>(kStructureFlow).shape();
  const NetworkShape occupancy = session.plan_as<StructureDecoder>(kStructureDecoder).shape();
  const NetworkShape latent = session.plan_as<Flow>(kLatentFlow).shape();
  if (settings.mean.size() != static_cast<std::size_t>(latent.in_channels)) {
    fail(ErrorCode::format, c.where, ": slat_normalization has ", settings.mean.size(), " channels, but ", kLatentFlow, " has ",
         latent.in_channels);
  }
  check_channels(c, kStructureFlow, structure.out_channels, kStructureDecoder, occupancy.in_channels);
  const int decoded = structure.resolution * occupancy.scale;
  if (decoded != latent.resolution) {
    fail(ErrorCode::format, c.where, ": ", kStructureDecoder, " makes a grid of ", decoded, ", but ", kLatentFlow, " works on ",
         latent.resolution);
  }
  for (const NetworkShape* flow : {&structure, &latent}) {
    if (flow->condition_channels == condition_channels) continue;
    fail(ErrorCode::format, c.where, ": a flow model expects conditions of ", flow->condition_channels,
         " channels, but the encoder makes ", condition_channels);
  }
  check_decoder<GaussianNetwork>(session, kGaussianDecoder, latent);
  check_decoder<MeshNetwork>(session, kMeshDecoder, latent);
  check_decoder<RadianceFieldNetwork>(session, kRadianceFieldDecoder, latent);
}

std::vector<float> draw_noise(TorchGenerator& stream, std::int64_t values) {
  std::vector<float> noise(static_cast<std::size_t>(values));
  stream.randn(noise);
  return noise;
}

Structure decode_structure(Session& session, std::span<const float> latent) {
  return session.network<StructureDecoder>(kStructureDecoder).decode(latent);
}

Structure occupied_voxels(Structure structure) {
  if (structure.voxels.rows() == 0) {
    fail(ErrorCode::invalid_argument,
         "the first stage found no active voxel: try another seed, more steps, or another image or prompt");
  }
  return structure;
}

SampledStructure sample_structure(Session& session, const Condition& condition, const SamplerSettings& settings,
                                  TorchGenerator& stream, RecipeSink& sink) {
  Flow& flow = session.network<Flow>(kStructureFlow);
  std::vector<float> noise = draw_noise(stream, flow.noise_values(nullptr));
  std::vector<float> latent = sink.wants_previews() ? sample_with_previews(session, condition, settings, std::move(noise), sink)
                                                    : flow.sample({.noise = noise}, condition, settings);
  Structure structure = occupied_voxels(decode_structure(session, latent));
  if (sink.wants_previews()) sink.preview(structure.voxels, settings.steps, settings.steps);
  return {std::move(structure.voxels), std::move(latent)};
}

std::vector<float> sample_latent(Session& session, const TrellisSettings& trellis, const Voxels& voxels,
                                 const Condition& condition, const SamplerSettings& settings, TorchGenerator& stream) {
  Flow& flow = session.network<Flow>(kLatentFlow);
  const std::vector<float> noise = draw_noise(stream, flow.noise_values(&voxels));
  return flow.sample({.noise = noise, .voxels = &voxels, .mean = trellis.mean, .deviation = trellis.deviation}, condition,
                     settings);
}

void decode_latent(Session& session, const Voxels& voxels, const std::vector<float>& latent, const Request& request,
                   RecipeSink& sink) {
  if (request.gaussians)
    sink.gaussians(decoder_of<GaussianNetwork>(session, kGaussianDecoder, "Gaussians").decode(voxels, latent));
  if (request.mesh) {
    MeshNetwork& decoder = decoder_of<MeshNetwork>(session, kMeshDecoder, "a mesh");
    sink.mesh(decoder.decode(voxels, latent, request.surface, {}), request.surface);
  }
  if (request.radiance_field) {
    sink.radiance_field(
        decoder_of<RadianceFieldNetwork>(session, kRadianceFieldDecoder, "a radiance field").decode(voxels, latent));
  }
}

std::vector<PlannedStage> plan_sampling(const Session& session, const SamplerSettings& structure, const SamplerSettings& latent,
                                        const JobSizes& sizes) {
  const WorkSizes work{.voxels = sizes.voxels};
  const auto seconds = [&](const char* role) { return session.usual_seconds(role, work); };
  return {plan_flow(Stage::sample_structure, structure, sizes.images, seconds(kStructureFlow)),
          {Stage::decode_structure, seconds(kStructureDecoder)},
          plan_flow(Stage::sample_latent, latent, sizes.images, seconds(kLatentFlow))};
}

std::vector<PlannedStage> plan_decoders(const Session& session, const Request& request, const JobSizes& sizes) {
  const WorkSizes work{.voxels = sizes.voxels};
  std::vector<PlannedStage> stages;
  if (request.gaussians) stages.push_back({Stage::decode_gaussians, session.usual_seconds(kGaussianDecoder, work)});
  if (request.mesh) {
    stages.push_back({Stage::decode_mesh, session.usual_seconds(kMeshDecoder, work)});
    const double per_face = session.device().cuda ? 2.7e-9 : 2.1e-6 / worker_count();
    stages.push_back({Stage::extract_surface, per_face * sizes.decoded_faces()});
  }
  if (request.radiance_field)
    stages.push_back({Stage::decode_radiance_field, session.usual_seconds(kRadianceFieldDecoder, work)});
  return stages;
}

}  // namespace espalier
