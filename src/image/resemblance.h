// Whether images may be views of one object: a guess by the colours of their foregrounds alone.
#pragma once

#include "image/image.h"

namespace espalier {

// Views whose colours have less in common than this are doubted.
inline constexpr double kViewsAlike = 0.3;

// What two foregrounds (RGBA, alpha is the mask) have of their colours in common: the intersection of their histograms over
// brightness and two differences of channels, each blurred, from 0 for nothing to 1 for all. An object that shows another side
// keeps most of its colours; another object seldom has them in the same shares. 0 for a foreground without a pixel.
[[nodiscard]] double shared_colours(const Image& a, const Image& b);

}  // namespace espalier
