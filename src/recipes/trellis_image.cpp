#include "recipes/trellis_image.h"

#include <cmath>

#include "base/error.h"
#include "recipes/familiarity.h"
#include "recipes/image_input.h"
#include "recipes/trellis_latent.h"

namespace espalier {
namespace {

class TrellisImage final : public Recipe {
 public:
  explicit TrellisImage(const Session& session) : settings_(read_trellis_settings(session.checkpoint())) {
    check_trellis_networks(session, settings_, session.plan_as<ImageEncoder>(kImageEncoder).shape().out_channels);
  }

  [[nodiscard]] std::vector<PlannedStage> plan(const Session& session, const Request& request,
                                               const JobSizes& sizes) const override {
    const Samplers samplers = samplers_for(request);
    std::vector<PlannedStage> stages{
        {Stage::encode_image, sizes.images * session.usual_seconds(kImageEncoder, {.voxels = sizes.voxels})}};
    for (PlannedStage& stage : plan_sampling(session, samplers.structure, samplers.latent, sizes))
      stages.push_back(std::move(stage));
    for (PlannedStage& stage : plan_decoders(session, request, sizes)) stages.push_back(std::move(stage));
    return stages;
  }

  void generate(Session& session, const Request& request, RecipeSink& sink) const override {
    check_image_request(request);
    const Samplers samplers = samplers_for(request);
    const std::vector<std::vector<float>> images = inputs_of(session, request, sink);
    const Condition condition = session.network<ImageEncoder>(kImageEncoder).encode(images);
    warn_of_strangers(session, images, condition, sink);
    TorchGenerator stream(request.seed);
    const Voxels voxels = sample_structure(session, condition, samplers.structure, stream);
    sink.sizes({.voxels = static_cast<double>(voxels.rows()), .images = static_cast<int>(images.size())});
    const std::vector<float> latent = sample_latent(session, settings_, voxels, condition, samplers.latent, stream);
    sink.latent(voxels, latent);
    decode_latent(session, voxels, latent, request, sink);
    record(request, samplers, sink);
  }

  void decode(Session& session, const Voxels& voxels, const std::vector<float>& latent, const Request& request,
              RecipeSink& sink) const override {
    sink.latent(voxels, latent);
    decode_latent(session, voxels, latent, request, sink);
  }
  [[nodiscard]] std::vector<PlannedStage> plan_decoding(const Session& session, const Request& request,
                                                        const JobSizes& sizes) const override {
    return plan_decoders(session, request, sizes);
  }

  [[nodiscard]] LatentShape latent_shape(const Session& session) const override {
    const NetworkShape flow = session.plan(kLatentFlow).shape();
    return {flow.resolution, flow.out_channels};
  }
  [[nodiscard]] SamplerDefaults structure_defaults() const override {
    return {settings_.structure.steps, settings_.structure.strength};
  }
  [[nodiscard]] SamplerDefaults latent_defaults() const override { return {settings_.latent.steps, settings_.latent.strength}; }

 private:
  // The network for backgrounds is gone before the encoder comes.
  static std::vector<std::vector<float>> inputs_of(const Session& session, const Request& request, RecipeSink& sink) {
    ObjectFinder finder(request.background_network, session.device(), session.half());
    return encoder_inputs(request, finder, sink);
  }

  // Small models know little: says which images look like nothing that they have seen.
  static void warn_of_strangers(Session& session, const std::vector<std::vector<float>>& images, const Condition& condition,
                                RecipeSink& sink) {
    const auto familiarity = Familiarity::of(session.checkpoint().folder, condition.channels);
    if (!familiarity) return;
    const std::vector<float> tokens = session.fetch(condition);
    const auto of_one = static_cast<std::size_t>(condition.rows * condition.channels);
    for (std::size_t i = 0; i < images.size(); ++i) {
      const auto own = std::span(tokens).subspan(i * of_one, of_one);
      const double distance = familiarity->distance(object_tokens(images[i], own, condition.rows, condition.channels));
      sink.record(str("distance of image ", i + 1), str(std::round(distance * 1e4) / 1e4));
      if (distance <= familiarity->limit()) continue;
      const std::string& full = session.checkpoint().full_model;
      sink.notice(str("warning: image ", i + 1, " looks unlike everything that this model was trained on (distance ",
                      std::round(distance * 1e4) / 1e4, ", familiar up to ", familiarity->limit(),
                      "), so the result will hardly be what it shows",
                      full.empty() ? std::string() : "; the real model: espalier pull " + full));
    }
  }

  struct Samplers {
    SamplerSettings structure, latent;
  };
  // Throws invalid_argument for settings out of range.
  [[nodiscard]] Samplers samplers_for(const Request& request) const {
    Samplers s{with_request(settings_.structure, request.structure, request.multi_image),
               with_request(settings_.latent, request.latent, request.multi_image)};
    check_settings(s.structure, "first stage (sparse structure)");
    check_settings(s.latent, "second stage (structured latent)");
    return s;
  }

  static void record(const Request& request, const Samplers& samplers, RecipeSink& sink) {
    sink.record("seed", std::to_string(request.seed));
    sink.record("first stage", describe(samplers.structure));
    sink.record("second stage", describe(samplers.latent));
    if (request.images.size() > 1)
      sink.record("multi-image", request.multi_image == MultiImageMode::stochastic ? "stochastic" : "multidiffusion");
  }

  TrellisSettings settings_;
};

}  // namespace

std::unique_ptr<Recipe> open_trellis_image(const Session& session) { return std::make_unique<TrellisImage>(session); }

}  // namespace espalier
