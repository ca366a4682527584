#include "recipes/image_input.h"

#include <utility>

#include "base/error.h"
#include "image/codec.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostImages = 64;

// One image, with what the user should know about its foreground.
std::vector<float> encoder_input_of(const fs::path& path, Background background, RecipeSink& sink) {
  const Picture image = load_picture(path);
  if (background == Background::none) {
    if (Picture as_is = cutout_as_is(image); as_is.width > 0) sink.foreground(std::move(as_is));
    return encoder_input(image, kEncoderSide);
  }
  PreparedPicture prepared = prepare_file(path, image, background);
  sink.foreground(std::move(prepared.cutout));
  if (prepared.report.method == CutoutReport::Method::plain_background) {
    sink.notice(path.filename().string() + ": no alpha channel; its plain background was removed");
  }
  for (const std::string& w : prepared.report.warnings) sink.notice("warning: " + path.filename().string() + ": " + w);
  return encoder_input(prepared.picture, kEncoderSide);
}

}  // namespace

void check_image_request(const Request& request) {
  if (request.images.empty()) fail(ErrorCode::invalid_argument, "no image was given");
  if (request.images.size() > kMostImages)
    fail(ErrorCode::invalid_argument, request.images.size(), " images were given; ", kMostImages, " is the most");
  if (request.background.size() != 1 && request.background.size() != request.images.size()) {
    fail(ErrorCode::invalid_argument, request.background.size(), " backgrounds were given for ", request.images.size(),
         " images; give one for all, or one for each");
  }
}

PreparedPicture prepare_file(const fs::path& path, const Picture& image, Background background) {
  if (background == Background::alpha && !has_alpha(image)) {
    fail(ErrorCode::invalid_argument, path.string(),
         ": the image has no transparent pixel, so it brings no foreground of its own; let the background be removed "
         "(automatic), or give an image with an alpha channel");
  }
  try {
    return prepare_picture(image, kEncoderSide);
  } catch (const Error& e) {
    fail(e.code(), path.string(), ": ", e.what());
  }
}

std::vector<std::vector<float>> encoder_inputs(const Request& request, RecipeSink& sink) {
  std::vector<std::vector<float>> inputs;
  for (const fs::path& path : request.images) {
    const std::size_t of_image = request.background.size() == 1 ? 0 : inputs.size();
    inputs.push_back(encoder_input_of(path, request.background[of_image], sink));
    sink.record("image " + std::to_string(inputs.size()), path.filename().string());
  }
  return inputs;
}

}  // namespace espalier
