#include "image/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "image/background.h"
#include "image/resize.h"

namespace espalier {

namespace {

constexpr int kSolid = 204;         // alpha above this (0.8 * 255) is object
constexpr int kRemovalSide = 1024;  // opaque images are scaled down to this before removal
constexpr double kFullCoverage = 0.9;
constexpr const char* kMaskAdvice = "correct the mask";

// Extremes of the solid pixels, all inclusive, and how many there are.
struct Extent {
  int x0 = std::numeric_limits<int>::max(), y0 = std::numeric_limits<int>::max(), x1 = -1, y1 = -1;
  std::size_t solid = 0;
};

Extent extent_of(const Image& rgba) {
  Extent e;
  for (int y = 0; y < rgba.height; ++y) {
    for (int x = 0; x < rgba.width; ++x) {
      if (rgba.at(x, y)[3] <= kSolid) continue;
      e.x0 = std::min(e.x0, x);
      e.y0 = std::min(e.y0, y);
      e.x1 = std::max(e.x1, x);
      e.y1 = std::max(e.y1, y);
      ++e.solid;
    }
  }
  return e;
}

// Python's round(): to the nearest integer, halves to the even one. `doubled` is twice the value.
int round_half_even(int doubled) {
  const int below = doubled >= 0 ? doubled / 2 : (doubled - 1) / 2;
  return doubled % 2 == 0 ? below : below + (below & 1);
}

Box object_box(const Extent& e) {
  const int size = static_cast<int>(1.2 * std::max(e.x1 - e.x0, e.y1 - e.y0));
  const int half = size / 2;
  if (half == 0) {
    fail(ErrorCode::invalid_argument, "the object in the image is smaller than three pixels",
         hint("give a larger image of it"));
  }
  const int x = e.x0 + e.x1;  // twice the centre
  const int y = e.y0 + e.y1;
  return {round_half_even(x - 2 * half), round_half_even(y - 2 * half), round_half_even(x + 2 * half),
          round_half_even(y + 2 * half)};
}

void judge(const Image& rgba, const Extent& e, CutoutReport& report) {
  const char* const advice = report.masked ? kMaskAdvice : kCutoutAdvice;
  if (e.solid == 0 && report.masked) {
    fail(ErrorCode::invalid_argument, "the mask is nowhere white (nothing above ", kSolid, "), so there is no object",
         hint("mark the object white"));
  }
  if (e.solid == 0) {
    fail(ErrorCode::invalid_argument,
         report.method == CutoutReport::Method::alpha
             ? "the image is transparent everywhere (no alpha above 204), so there is no object"
             : "no object stands out from the background of the image",
         hint(kCutoutAdvice));
  }
  report.coverage = static_cast<double>(e.solid) / static_cast<double>(rgba.pixel_count());
  report.borders_touched =
      (e.x0 == 0 ? 1 : 0) + (e.y0 == 0 ? 1 : 0) + (e.x1 == rgba.width - 1 ? 1 : 0) + (e.y1 == rgba.height - 1 ? 1 : 0);
  if (report.coverage > kFullCoverage) {
    report.warnings.push_back(str("the object fills ", std::lround(report.coverage * 100),
                                  " % of the image, so its outline is probably wrong; ", advice));
  }
  if (report.borders_touched >= 3) {
    report.warnings.push_back(str("the object touches ", report.borders_touched,
                                  " borders of the image and may be cut off; leave a margin around it, or ", advice));
  }
}

Image square_cutout(const Image& rgba, const Box& box) {
  const int side = std::clamp(box.width(), kLeastCutout, kMostCutout);
  return resize_lanczos(rgba, box, side, side);
}

// Alpha 0 for pixels that are black, nearly, and linked to the border by such pixels.
Image without_black_surroundings(const Image& image) {
  constexpr std::uint8_t kBlack = 8;
  const Image rgb = without_alpha(image);
  Image rgba(rgb.width, rgb.height, 4);
  for (std::size_t i = 0; i < rgb.pixel_count(); ++i) {
    std::copy_n(&rgb.pixels[i * 3], 3, &rgba.pixels[i * 4]);
    rgba.pixels[i * 4 + 3] = 255;
  }
  std::vector<std::array<int, 2>> open;
  const auto visit = [&](int x, int y) {
    if (x < 0 || y < 0 || x >= rgba.width || y >= rgba.height) return;
    std::uint8_t* pixel = rgba.at(x, y);
    if (pixel[3] == 0 || std::max({pixel[0], pixel[1], pixel[2]}) > kBlack) return;
    pixel[3] = 0;
    open.push_back({x, y});
  };
  for (int x = 0; x < rgba.width; ++x) {
    visit(x, 0);
    visit(x, rgba.height - 1);
  }
  for (int y = 0; y < rgba.height; ++y) {
    visit(0, y);
    visit(rgba.width - 1, y);
  }
  while (!open.empty()) {
    const auto [x, y] = open.back();
    open.pop_back();
    visit(x - 1, y);
    visit(x + 1, y);
    visit(x, y - 1);
    visit(x, y + 1);
  }
  return rgba;
}

}  // namespace

// c/255 * a/255 in float32, times 255 in float32, truncated: the order of operations decides the bytes.
Image before_black(const Image& rgba) {
  Image rgb(rgba.width, rgba.height, 3);
  for (std::size_t i = 0; i < rgba.pixel_count(); ++i) {
    const float alpha = static_cast<float>(rgba.pixels[i * 4 + 3]) / 255.0F;
    for (std::size_t c = 0; c < 3; ++c) {
      const float value = static_cast<float>(rgba.pixels[i * 4 + c]) / 255.0F * alpha;
      rgb.pixels[i * 3 + c] = static_cast<std::uint8_t>(value * 255.0F);
    }
  }
  return rgb;
}

const char* name_of(CutoutReport::Method method) {
  switch (method) {
    case CutoutReport::Method::alpha: return "alpha channel";
    case CutoutReport::Method::plain_background: return "plain background removed";
    case CutoutReport::Method::network: return "background removed by a network";
  }
  return "";
}

Image without_alpha(const Image& image) {
  if (image.channels == 3) return image;
  Image rgb(image.width, image.height, 3);
  for (std::size_t i = 0; i < image.pixel_count(); ++i) std::copy_n(&image.pixels[i * 4], 3, &rgb.pixels[i * 3]);
  return rgb;
}

bool has_alpha(const Image& image) {
  if (image.channels != 4) return false;
  for (std::size_t i = 3; i < image.pixels.size(); i += 4) {
    if (image.pixels[i] != 255) return true;
  }
  return false;
}

Image limited_to(Image rgb, int side) {
  const int largest = std::max(rgb.width, rgb.height);
  if (largest <= side) return rgb;
  const double scale = static_cast<double>(side) / largest;
  // The reference truncates; a very long image keeps at least one row.
  const int width = std::max(static_cast<int>(rgb.width * scale), 1);
  const int height = std::max(static_cast<int>(rgb.height * scale), 1);
  return resize_lanczos(rgb, width, height);
}

FoundObject find_object(const Image& image, const BackgroundRemover& remover) {
  FoundObject found;
  if (has_alpha(image)) {
    found.rgba = image;
  } else if (remover) {
    const Image rgb = limited_to(without_alpha(image), kRemovalSide);
    found.rgba = remover(rgb);
    require(found.rgba.channels == 4 && found.rgba.width == rgb.width && found.rgba.height == rgb.height, "find_object",
            "the remover made ", found.rgba.width, " x ", found.rgba.height, " of ", rgb.width, " x ", rgb.height);
    found.report.method = CutoutReport::Method::network;
  } else {
    Cutout cutout = remove_background(limited_to(without_alpha(image), kRemovalSide));
    found.rgba = std::move(cutout.image);
    found.report.method = CutoutReport::Method::plain_background;
    found.report.warnings = std::move(cutout.warnings);
  }
  return found;
}

PreparedImage prepare_image(const Image& image, int size, const BackgroundRemover& remover, bool masked) {
  FoundObject found = find_object(image, remover);
  const Extent extent = extent_of(found.rgba);
  PreparedImage out;
  out.report = std::move(found.report);
  out.report.masked = masked;
  judge(found.rgba, extent, out.report);
  out.object = {extent.x0, extent.y0, extent.x1 + 1, extent.y1 + 1};
  out.box = object_box(extent);
  out.masked = resize_lanczos(found.rgba, out.box, size, size);
  out.image = before_black(out.masked);
  out.cutout = square_cutout(found.rgba, out.box);
  return out;
}

Image cutout_as_is(const Image& image) {
  const Image rgba = has_alpha(image) ? image : without_black_surroundings(image);
  const Extent extent = extent_of(rgba);
  constexpr int kSmallest = 3;
  if (extent.solid == 0 || std::max(extent.x1 - extent.x0, extent.y1 - extent.y0) < kSmallest) return {};
  return square_cutout(rgba, object_box(extent));
}

Image encoder_image(const Image& image, int size) { return without_alpha(resize_lanczos(image, size, size)); }

std::vector<float> encoder_input(const Image& image, int size) {
  constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F};
  constexpr std::array<float, 3> kDeviation = {0.229F, 0.224F, 0.225F};
  const Image rgb = encoder_image(image, size);
  const std::size_t plane = rgb.pixel_count();
  std::vector<float> out(plane * 3);
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      out[c * plane + i] = (static_cast<float>(rgb.pixels[i * 3 + c]) / 255.0F - kMean[c]) / kDeviation[c];
    }
  }
  return out;
}

}  // namespace espalier
