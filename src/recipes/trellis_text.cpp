#include "recipes/trellis_text.h"

#include "base/error.h"
#include "base/json.h"
#include "recipes/trellis_recipe.h"
#include "text/clip_tokenizer.h"

namespace espalier {
namespace {

constexpr const char* kPrompt = "the prompt";
constexpr const char* kNegativePrompt = "the negative prompt";

class TrellisText final : public TrellisRecipe {
 public:
  explicit TrellisText(const Session& session)
      : TrellisRecipe(session, session.plan_as<TextEncoder>(kTextEncoder).shape().out_channels),
        tokenizer_(ClipTokenizer::open(session.checkpoint().tokenizer)) {}
  [[nodiscard]] bool takes_text() const override { return true; }

 private:
  void check(const Request& request) const override {
    if (!request.images.empty()) {
      fail(ErrorCode::invalid_argument,
           request.prompt.empty() ? "an image was given, but this checkpoint makes assets from a prompt"
                                  : "an image and a prompt were given, but this checkpoint takes a prompt alone",
           hint("leave the image out, or take an image model, such as the one that ships with the program"));
    }
    check_prompt_text(request.prompt, kPrompt);
    check_prompt_text(request.negative_prompt, kNegativePrompt);
    if (is_blank(request.prompt)) fail(ErrorCode::invalid_argument, "the prompt is empty", hint("say what to make"));
  }

  [[nodiscard]] PlannedStage plan_condition(const Session& session, const JobSizes& sizes) const override {
    return {Stage::encode_text, session.usual_seconds(kTextEncoder, {.voxels = sizes.voxels})};
  }

  // The negative condition is the encoding of a text, the empty one by default, for both stages.
  [[nodiscard]] Condition encode(Session& session, const Request& request, RecipeSink& sink) const override {
    TextEncoder& encoder = session.network<TextEncoder>(kTextEncoder);
    if (tokenizer_.size() > encoder.vocabulary()) {
      fail(ErrorCode::format, session.checkpoint().where, ": the tokenizer has ", tokenizer_.size(),
           " tokens, but the text encoder knows ", encoder.vocabulary(), hint("the two do not belong together"));
    }
    const std::vector<std::int32_t> prompt = tokens(request.prompt, kPrompt, encoder.length(), sink);
    const std::vector<std::int32_t> negative = tokens(request.negative_prompt, kNegativePrompt, encoder.length(), sink);
    sink.record("prompt", shortened(request.prompt, 2000));
    if (!request.negative_prompt.empty()) sink.record("negative prompt", shortened(request.negative_prompt, 2000));
    return encoder.encode(prompt, negative);
  }

  [[nodiscard]] std::vector<std::int32_t> tokens(const std::string& text, const char* what, std::int64_t length,
                                                 RecipeSink& sink) const {
    PromptTokens made = tokenizer_.encode(text, length, what);
    if (!made.first_lost.empty()) {
      sink.notice(str("warning: ", what, " is longer than the ", length,
                      " tokens that the text encoder takes; it is cut off before \"", shortened(made.first_lost, 60), "\""));
    }
    return std::move(made.ids);
  }

  ClipTokenizer tokenizer_;
};

}  // namespace

std::unique_ptr<Recipe> open_trellis_text(const Session& session) { return std::make_unique<TrellisText>(session); }

}  // namespace espalier
