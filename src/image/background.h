// Background removal without a network, for pictures of one object before a plain background.
#pragma once

#include <string>
#include <vector>

#include "image/picture.h"

namespace espalier {

struct Cutout {
  Picture picture;                    // RGBA; colours of soft edges are freed from the background's
  std::vector<std::string> warnings;  // doubts about the result, with advice
};

[[nodiscard]] Cutout remove_background(const Picture& rgb);

}  // namespace espalier
