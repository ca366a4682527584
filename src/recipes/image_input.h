// Images as users give them, made ready for the image encoder: decoded, without their background, cropped, resized.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "espalier/espalier.h"
#include "image/preprocess.h"
#include "recipes/recipe.h"

namespace espalier {

inline constexpr int kEncoderSide = 518;  // pixels, what the reference feeds to the encoder

// Throws invalid_argument for too many images, or backgrounds that do not match them.
void check_image_request(const Request& request);

// prepare_picture with errors that name the file. `background` is automatic or alpha.
[[nodiscard]] PreparedPicture prepare_file(const std::filesystem::path& path, const Picture& image, Background background);

// Every image of the request as the encoder reads it. Foregrounds, notices and names go to the sink.
[[nodiscard]] std::vector<std::vector<float>> encoder_inputs(const Request& request, RecipeSink& sink);

}  // namespace espalier
