// Images before a pipeline sees them.
#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <utility>

#include "api/observer_monitor.h"
#include "base/error.h"
#include "espalier/images.h"
#include "image/codec.h"
#include "image/image_header.h"
#include "image/resize.h"
#include "recipes/image_input.h"
#include "runtime/device_choice.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

Image with_alpha_channel(const Image& image) {
  if (image.channels == 4) return image;
  Image rgba(image.width, image.height, 4);
  for (std::size_t i = 0; i < image.pixel_count(); ++i) {
    std::copy_n(&image.pixels[i * 3], 3, &rgba.pixels[i * 4]);
    rgba.pixels[i * 4 + 3] = 255;
  }
  return rgba;
}

// RGBA whose alpha is what the mask says, of the mask's own size.
Image alpha_of_mask(const Image& mask) {
  Image alpha(mask.width, mask.height, 4);
  const bool transparent = has_alpha(mask);
  const auto channels = static_cast<std::size_t>(mask.channels);
  for (std::size_t i = 0; i < mask.pixel_count(); ++i) {
    const std::uint8_t* m = &mask.pixels[i * channels];
    alpha.pixels[i * 4 + 3] =
        transparent ? m[3] : static_cast<std::uint8_t>((m[0] * 299 + m[1] * 587 + m[2] * 114 + 500) / 1000);
  }
  return alpha;
}

// Both sides by the same factor, but for what rounding makes.
bool same_shape(const Image& a, const Image& b) {
  const double x = static_cast<double>(a.width) / b.width, y = static_cast<double>(a.height) / b.height;
  const double shorter = std::min({a.width, a.height, b.width, b.height});
  return std::abs(x / y - 1) <= 0.01 + 1.0 / shorter;
}

}  // namespace

ImageInfo image_info(const fs::path& file) {
  constexpr std::size_t kBegin = 262144;
  std::vector<char> bytes(kBegin);
  std::ifstream stream(file, std::ios::binary);
  if (!stream) fail(ErrorCode::not_found, file.string(), ": cannot be read", hint("check the name"));
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(stream.gcount(), 0)));
  const auto header = image_header(std::as_bytes(std::span(bytes)));
  if (!header) {
    fail(ErrorCode::format, file.string(),
         ": this is not an image of a known format (PNG, JPEG, WebP, AVIF, HEIC, GIF, TIFF or BMP)",
         hint("save it as one of these"));
  }
  return {header->format, header->ending, header->media_type, header->width, header->height};
}

InputImage with_mask(const InputImage& image, const InputImage& mask) {
  Image decoded = with_alpha_channel(load_image(image));
  Image alpha = alpha_of_mask(load_image(mask));
  if (!same_shape(decoded, alpha)) {
    fail(ErrorCode::invalid_argument, mask.name(), ": a mask of ", alpha.width, " x ", alpha.height,
         " pixels is of another shape than ", image.name(), " with ", decoded.width, " x ", decoded.height,
         hint("make a mask of the whole image"));
  }
  if (alpha.width != decoded.width || alpha.height != decoded.height)
    alpha = resize_lanczos(alpha, decoded.width, decoded.height);
  bool any = false;
  for (std::size_t i = 3; i < decoded.pixels.size(); i += 4) {
    decoded.pixels[i] = alpha.pixels[i];
    any = any || alpha.pixels[i] > 0;
  }
  if (!any)
    fail(ErrorCode::invalid_argument, mask.name(), ": the mask leaves nothing of ", image.name(), hint("white is what stays"));
  // A mask that keeps everything is no transparency for what follows; one transparent pixel says that it is meant.
  if (!has_alpha(decoded)) decoded.pixels[3] = 254;
  const auto bytes = std::as_bytes(std::span(decoded.pixels));
  return InputImage::pixels({bytes.begin(), bytes.end()}, decoded.width, decoded.height, 4, image.name())
      .masked_by(mask.in_memory() ? mask.name() : mask.file().filename().string());
}

Pipeline::Foreground whole_foreground(const InputImage& image, const Pipeline::ForegroundRequest& request,
                                      const Observer& observer) {
  const ObserverMonitor monitor(observer);
  Pipeline::Foreground made;
  const DeviceChoice choice = request.network.empty() ? DeviceChoice{} : DeviceChoice::named(request.device);
  ObjectFinder finder(request.network, choice, choice.cuda, &monitor);
  const Image decoded = load_image(image, &monitor, &made.notices);
  // Without alpha, so that colours stay where nothing is to be seen.
  Image whole = with_alpha_channel(limited_to(without_alpha(decoded), kMostForeground));
  if (request.background != Background::none) {
    FoundObject found = finder.find(image.name(), limited_to(decoded, kMostForeground), request.background);
    made.notices.insert(made.notices.begin(), finder.how(found.report.method));
    made.notices.insert(made.notices.end(), found.report.warnings.begin(), found.report.warnings.end());
    for (std::size_t i = 3; i < whole.pixels.size(); i += 4) whole.pixels[i] = found.rgba.pixels[i];
  } else {
    made.notices.insert(made.notices.begin(), "taken as it is");
    for (std::size_t i = 3; i < whole.pixels.size(); i += 4) whole.pixels[i] = 255;
  }
  made.png = encode_png(whole);
  return made;
}

}  // namespace espalier
