#include "recipes/trellis_image.h"

#include <cmath>

#include "base/error.h"
#include "recipes/familiarity.h"
#include "recipes/image_input.h"
#include "recipes/trellis_recipe.h"

namespace espalier {
namespace {

class TrellisImage final : public TrellisRecipe {
 public:
  explicit TrellisImage(const Session& session)
      : TrellisRecipe(session, session.plan_as<ImageEncoder>(kImageEncoder).shape().out_channels) {}

 private:
  void check(const Request& request) const override {
    if (!request.prompt.empty() || !request.negative_prompt.empty()) {
      fail(ErrorCode::invalid_argument,
           request.images.empty() ? "a prompt was given, but this checkpoint makes assets from images"
                                  : "an image and a prompt were given, but this checkpoint takes images alone",
           hint("leave the prompt out, or take a text model: sprout-text, which ships with the program, or trellis-text-base "
                "after "
                "espalier pull trellis-text-base"));
    }
    check_image_request(request);
  }

  [[nodiscard]] PlannedStage plan_condition(const Session& session, const JobSizes& sizes) const override {
    return {Stage::encode_image, sizes.images * session.usual_seconds(kImageEncoder, {.voxels = sizes.voxels})};
  }

  [[nodiscard]] Condition encode(Session& session, const Request& request, RecipeSink& sink) const override {
    const std::vector<std::vector<float>> images = inputs_of(session, request, sink);
    if (images.size() > 1)
      sink.record("multi-image", request.multi_image == MultiImageMode::stochastic ? "stochastic" : "multidiffusion");
    Condition condition = session.network<ImageEncoder>(kImageEncoder).encode(images);
    warn_of_strangers(session, images, condition, sink);
    return condition;
  }

  // The network for backgrounds is gone before the encoder comes.
  static std::vector<std::vector<float>> inputs_of(const Session& session, const Request& request, RecipeSink& sink) {
    ObjectFinder finder(request.background_network, session.device(), session.precision() != Precision::full);
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
};

}  // namespace

std::unique_ptr<Recipe> open_trellis_image(const Session& session) { return std::make_unique<TrellisImage>(session); }

}  // namespace espalier
