#include "recipes/image_input.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "image/codec.h"
#include "image/resemblance.h"

namespace espalier {

namespace {

constexpr std::size_t kMostImages = 64;

// In notices and records: a file without its folder.
std::string short_name(const InputImage& input) {
  const bool named = input.in_memory() && input.mask().empty();
  return named ? input.name() : std::filesystem::path(input.name()).filename().string();
}

Image from_pixels(const InputImage& input) {
  const auto side = [](int pixels) { return pixels >= 1 && pixels <= kMaxImageSide; };
  if (!side(input.width()) || !side(input.height()) || (input.channels() != 3 && input.channels() != 4) ||
      std::int64_t{input.width()} * input.height() > kMaxImagePixels) {
    fail(ErrorCode::invalid_argument, input.name(), ": ", input.width(), " x ", input.height(), " pixels with ",
         input.channels(), " channels cannot be taken",
         hint("give 3 or 4 channels, at most ", kMaxImageSide, " pixels on a side and ", kMaxImagePixels / 1'000'000,
              " million in all"));
  }
  Image image(input.width(), input.height(), input.channels());
  if (input.bytes().size() != image.pixels.size()) {
    fail(ErrorCode::invalid_argument, input.name(), ": ", input.bytes().size(), " bytes for ", input.width(), " x ",
         input.height(), " pixels with ", input.channels(), " channels", hint(image.pixels.size(), " are needed"));
  }
  std::memcpy(image.pixels.data(), input.bytes().data(), image.pixels.size());
  return image;
}

// One image, with what the user should know about its foreground.
std::vector<float> encoder_input_of(const InputImage& input, Background background, ObjectFinder& finder, RecipeSink& sink,
                                    std::vector<Image>& foregrounds) {
  std::vector<std::string> notices;
  const Image image = load_image(input, nullptr, &notices);
  for (const std::string& notice : notices) sink.notice(short_name(input) + ": " + notice);
  if (background == Background::none) {
    if (Image as_is = cutout_as_is(image); as_is.width > 0) sink.foreground(std::move(as_is));
    return encoder_input(image, kEncoderSide);
  }
  PreparedImage prepared = finder.prepare(input.name(), image, background, !input.mask().empty());
  foregrounds.push_back(prepared.cutout);
  sink.foreground(std::move(prepared.cutout));
  if (!input.mask().empty()) {
    sink.notice(short_name(input) + ": foreground from the mask " + input.mask());
  } else if (prepared.report.method == CutoutReport::Method::plain_background && prepared.report.warnings.empty()) {
    sink.notice(short_name(input) + ": no alpha channel; its plain background was removed");
  } else if (prepared.report.method == CutoutReport::Method::network) {
    sink.notice(short_name(input) + ": " + finder.how(prepared.report.method));
  }
  for (const std::string& w : prepared.report.warnings) sink.notice("warning: " + short_name(input) + ": " + w);
  return encoder_input(prepared.image, kEncoderSide);
}

// Says so when images that are taken for views of one object hardly look like it.
void doubt_views(const std::vector<Image>& foregrounds, RecipeSink& sink) {
  double least = 1.0;
  for (std::size_t i = 0; i < foregrounds.size(); ++i) {
    double best = foregrounds.size() > 1 ? 0.0 : 1.0;
    for (std::size_t j = 0; j < foregrounds.size(); ++j) {
      if (i != j) best = std::max(best, shared_colours(foregrounds[i], foregrounds[j]));
    }
    least = std::min(least, best);
  }
  if (least >= kViewsAlike) return;
  sink.notice(str("warning: the images do not look like views of one object (", std::lround(100 * least),
                  " % of the colours in common); images of several objects should become an asset each"));
}

}  // namespace

void check_image_request(const Request& request) {
  if (request.images.empty()) fail(ErrorCode::invalid_argument, "no image was given");
  if (request.images.size() > kMostImages)
    fail(ErrorCode::invalid_argument, request.images.size(), " images were given", hint(kMostImages, " is the most"));
  if (request.background.size() != 1 && request.background.size() != request.images.size()) {
    fail(ErrorCode::invalid_argument, request.background.size(), " backgrounds were given for ", request.images.size(),
         " images", hint("give one for all, or one for each"));
  }
}

Image load_image(const InputImage& image, const Monitor* monitor, std::vector<std::string>* notices) {
  if (!image.in_memory()) return load_image_file(image.file(), monitor, notices);
  return image.raw() ? from_pixels(image) : decode_image(image.bytes(), image.name(), monitor, notices);
}

std::string ObjectFinder::how(CutoutReport::Method method) const {
  if (method != CutoutReport::Method::network) return name_of(method);
  return "background removed by " + file_.filename().string();
}

ObjectFinder::Way ObjectFinder::way_of(const std::string& name, const Image& image, Background background) {
  if (background == Background::alpha && !has_alpha(image)) {
    fail(ErrorCode::invalid_argument, name, ": the image has no transparent pixel, so it brings no foreground of its own",
         hint("let the background be removed (auto), or give an image with an alpha channel"));
  }
  if (background == Background::network && file_.empty()) {
    fail(ErrorCode::invalid_argument, name, ": there is no network that could remove the background",
         hint("fetch one with espalier pull isnet, or give an image with a transparent background"));
  }
  if (background == Background::alpha || (background == Background::automatic && has_alpha(image))) return {true, {}};
  if (file_.empty() || background == Background::plain) return {};
  if (network_ == nullptr) network_ = open_background_network(file_, device_, half_, monitor_);
  return {false, [this](const Image& rgb) { return network_->remove(rgb); }};
}

PreparedImage ObjectFinder::prepare(const std::string& name, const Image& image, Background background, bool masked) {
  try {
    const Way way = way_of(name, image, background);
    return prepare_image(way.by_alpha ? image : without_alpha(image), kEncoderSide, way.remover, masked && way.by_alpha);
  } catch (const Error& e) {
    if (std::string_view(e.what()).starts_with(name)) throw;
    fail_again(e, name, ": ");
  }
}

FoundObject ObjectFinder::find(const std::string& name, const Image& image, Background background) {
  const Way way = way_of(name, image, background);
  return find_object(way.by_alpha ? image : without_alpha(image), way.remover);
}

std::vector<std::vector<float>> encoder_inputs(const Request& request, ObjectFinder& finder, RecipeSink& sink) {
  std::vector<std::vector<float>> inputs;
  std::vector<Image> foregrounds;
  for (const InputImage& image : request.images) {
    const std::size_t of_image = request.background.size() == 1 ? 0 : inputs.size();
    inputs.push_back(encoder_input_of(image, request.background[of_image], finder, sink, foregrounds));
    sink.record("image " + std::to_string(inputs.size()), short_name(image));
    if (!image.mask().empty()) sink.record("mask " + std::to_string(inputs.size()), image.mask());
  }
  doubt_views(foregrounds, sink);
  return inputs;
}

}  // namespace espalier
