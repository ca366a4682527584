#include "recipes/trellis_memory.h"

#include "recipes/image_input.h"
#include "recipes/trellis_latent.h"

namespace espalier {
namespace {

class Measurement {
 public:
  explicit Measurement(Session& session) : session_(session) {}

  template <class Interface, class Run>
  void add(const char* role, Run run) {
    (void)session_.take_costs();
    run(session_.network<Interface>(role));
    for (const StageCost& cost : session_.take_costs()) stages_.push_back({cost.stage, role, cost.planned_bytes});
  }
  [[nodiscard]] std::vector<MeasuredStage> take() { return std::move(stages_); }

 private:
  Session& session_;
  std::vector<MeasuredStage> stages_;
};

Condition measure_condition(Measurement& measurement, const Session& session, int images) {
  Condition condition;
  if (session.has(kImageEncoder)) {
    const std::vector<std::vector<float>> inputs(static_cast<std::size_t>(images),
                                                 std::vector<float>(std::size_t{3} * kEncoderSide * kEncoderSide));
    measurement.add<ImageEncoder>(kImageEncoder, [&](ImageEncoder& encoder) { condition = encoder.encode(inputs); });
  } else {
    measurement.add<TextEncoder>(kTextEncoder, [&](TextEncoder& encoder) {
      const std::vector<std::int32_t> tokens(static_cast<std::size_t>(encoder.length()), 0);
      condition = encoder.encode(tokens, tokens);
    });
  }
  return condition;
}

void measure_sampling(Measurement& measurement, const Session& session, const MeasuredJob& job) {
  const Condition condition = measure_condition(measurement, session, job.images);
  const auto at_most = [](SamplerSettings settings) {
    settings.guided = true;
    settings.strength = 1.0;
    settings.interval_lo = 0.0;
    settings.interval_hi = 1.0;
    return settings;
  };
  const auto together = [&](const Flow::Input& input) {
    return std::vector<Flow::Member>(static_cast<std::size_t>(job.assets), Flow::Member{input, &condition});
  };
  std::int64_t values = 0;
  measurement.add<Flow>(kStructureFlow, [&](Flow& flow) {
    values = flow.noise_values(nullptr);
    const std::vector<float> noise(static_cast<std::size_t>(values));
    (void)flow.sample_each(together({.noise = noise}), at_most(job.samplers.structure));
  });
  measurement.add<StructureDecoder>(kStructureDecoder, [&](StructureDecoder& decoder) {
    (void)decoder.decode(std::vector<float>(static_cast<std::size_t>(values)));
  });
  measurement.add<Flow>(kLatentFlow, [&](Flow& flow) {
    const std::vector<float> noise(static_cast<std::size_t>(flow.noise_values(&job.voxels)));
    (void)flow.sample_each(together({.noise = noise, .voxels = &job.voxels}), at_most(job.samplers.latent));
  });
}

}  // namespace

std::vector<MeasuredStage> measure_stages(Session& session, const MeasuredJob& job) {
  Measurement measurement(session);
  if (job.sampled) measure_sampling(measurement, session, job);
  const std::int64_t channels = session.plan(kLatentFlow).shape().out_channels;
  const std::vector<float> latent(static_cast<std::size_t>(job.voxels.rows() * channels));
  if (job.gaussians)
    measurement.add<GaussianNetwork>(kGaussianDecoder, [&](GaussianNetwork& n) { (void)n.decode(job.voxels, latent); });
  if (job.mesh) {
    measurement.add<MeshNetwork>(kMeshDecoder, [&](MeshNetwork& n) { (void)n.decode(job.voxels, latent, job.surface, {}); });
  }
  if (job.radiance_field) {
    measurement.add<RadianceFieldNetwork>(kRadianceFieldDecoder,
                                          [&](RadianceFieldNetwork& n) { (void)n.decode(job.voxels, latent); });
  }
  return measurement.take();
}

}  // namespace espalier
