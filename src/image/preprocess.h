// From any image to what the image encoder sees.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "image/image.h"

namespace espalier {

// How the object was separated from its background, and how far to trust that.
struct CutoutReport {
  enum class Method {
    alpha,             // the image brought its own alpha channel
    plain_background,  // an opaque image: image/background.h removed the background
    network,           // an opaque image: a BackgroundRemover did
  };
  Method method = Method::alpha;
  bool masked = false;                // the alpha channel is a mask that was given beside the image
  double coverage = 0.0;              // part of the image that is object (alpha > 204), 0 to 1
  int borders_touched = 0;            // of the four
  std::vector<std::string> warnings;  // one line each, with advice
};

// "alpha channel", "plain background removed" or "background removed by a network".
[[nodiscard]] const char* name_of(CutoutReport::Method method);

// RGB; colours stay as they are where the image is transparent.
[[nodiscard]] Image without_alpha(const Image& image);

// True when some alpha of the image is not 255.
[[nodiscard]] bool has_alpha(const Image& image);

struct PreparedImage {
  Image image;   // RGB, size x size, the object in front of black: what the encoder sees
  Image masked;  // RGBA, size x size: the same before it was put in front of black
  Image cutout;  // RGBA, square, what the image shows at its own resolution, within kLeastCutout and kMostCutout
  Box object;    // the solid part (alpha > 204) of the foreground: the image, or its copy without background
  Box box;       // the square around it that was resized, in the same pixels; may reach beyond them
  CutoutReport report;
};

// RGBA of the same size for an opaque image.
using BackgroundRemover = std::function<Image(const Image& rgb)>;

// What is object in an image: alpha, of the image itself or of a copy at most 1024 pixels on a side whose background was
// removed.
struct FoundObject {
  Image rgba;
  CutoutReport report;  // of method and warnings; the rest is zero
};
// An image counts as having alpha if some alpha is not 255; else its background is removed, by `remover` or, without one, as a
// plain one. There may be no object in the result.
[[nodiscard]] FoundObject find_object(const Image& image, const BackgroundRemover& remover = {});

// The image, or a copy that is as much smaller as it takes to have at most `side` pixels on its longer side.
[[nodiscard]] Image limited_to(Image image, int side);

inline constexpr int kLeastCutout = 64, kMostCutout = 1024;  // pixels on a side

// The reference's preprocess_image: alpha or background removal, a square 1.2 times the object's larger side around the
// centre of its box, Lanczos to size x size, premultiplied. An image counts as having alpha if some alpha is not 255;
// else its background is removed (in a copy scaled to at most 1024 pixels), by `remover` or, without one, as a plain one. Byte
// for byte as the reference for images with alpha, and for others with a remover that does what the reference's does. Throws
// invalid_argument when there is no object or it is smaller than three pixels. `masked`: the alpha is that of a mask, for what
// is said of it.
[[nodiscard]] PreparedImage prepare_image(const Image& image, int size, const BackgroundRemover& remover = {},
                                          bool masked = false);

// The cutout above of an image that is taken as it is: by its alpha, or else what is not the black that reaches the borders.
// Empty when there is no object in it.
[[nodiscard]] Image cutout_as_is(const Image& image);

// RGBA in front of black, as the reference computes it.
[[nodiscard]] Image before_black(const Image& rgba);

// What the encoder sees of an image: resized to size x size unless it has that size, alpha dropped.
[[nodiscard]] Image encoder_image(const Image& image, int size);

// The reference's encode_image up to the network: encoder_image() scaled to [0, 1], less the mean and divided by the
// deviation of ImageNet. [3, size, size], channel-major.
[[nodiscard]] std::vector<float> encoder_input(const Image& image, int size);

}  // namespace espalier
