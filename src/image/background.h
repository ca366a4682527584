// Background removal without a network, for images of one object before a plain background.
#pragma once

#include <string>
#include <vector>

#include "image/image.h"

namespace espalier {

inline constexpr const char* kCutoutAdvice = "give a PNG with a transparent background instead";

// How plain the background was and how likely what is left is one object. Parts are from 0 to 1.
struct BackgroundDoubt {
  double unexplained = 0.0;  // of the border: not of one smooth colour
  double spread = 0.0;       // typical distance of the border from that colour, in hundredths of OKLab
  double grain = 0.0;        // of the border, likewise
  int pieces = 0;            // that the object falls into, specks left out
  double largest = 1.0;      // part of the object that is its largest piece
  double kept = 0.0;         // of the image: object
  double border = 0.0;       // of the border: object

  // Why the result is not to be trusted, as the end of a sentence ("the background is not plain (...)"); empty when it is.
  [[nodiscard]] std::string reason() const;
};

struct Cutout {
  Image image;                        // RGBA; colours of soft edges are freed from the background's
  std::vector<std::string> warnings;  // doubts about the result, with advice
  BackgroundDoubt doubt;
};

// The background is a smooth colour (flat, or a gentle gradient, with the grain of a camera or of JPEG) that reaches the
// border of the image; soft shadows on it belong to it. The colour is modelled from the border inwards; everything of
// that colour without edges that the border reaches is removed, and so is what shows through openings of the object,
// unless it is tiny, has a soft outline (a glow) or makes up most of the object (a line drawing). Parts of the object
// that have exactly the background's colour and touch it are lost: nothing here knows what objects look like.
// docs/background.md describes the method and how well it works.
[[nodiscard]] Cutout remove_background(const Image& rgb);

}  // namespace espalier
