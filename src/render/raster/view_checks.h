// What all renderers ask of images and cameras.
#pragma once

#include <array>

#include "render/raster/camera.h"

namespace espalier {

// Throws invalid_argument where an image has no pixels, more than 16384 samples in a direction, or a background that is not
// finite.
void check_view(int width, int height, int ssaa, const std::array<float, 3>& background);

// Throws invalid_argument for a camera that is not finite or has no field of view.
void check_camera(const Camera& camera);

}  // namespace espalier
