#include "recipes/trellis_image.h"

#include "base/error.h"
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
           hint("leave the prompt out, or take a text model: espalier pull trellis-text-base, then --model trellis-text-base"));
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
    return session.network<ImageEncoder>(kImageEncoder).encode(images);
  }

  // The network for backgrounds is gone before the encoder comes.
  static std::vector<std::vector<float>> inputs_of(const Session& session, const Request& request, RecipeSink& sink) {
    ObjectFinder finder(request.background_network, session.device(), session.half());
    return encoder_inputs(request, finder, sink);
  }
};

}  // namespace

std::unique_ptr<Recipe> open_trellis_image(const Session& session) { return std::make_unique<TrellisImage>(session); }

}  // namespace espalier
