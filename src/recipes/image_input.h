// Images as users give them, made ready for the image encoder: decoded, without their background, cropped, resized.
#pragma once

#include <string>
#include <vector>

#include "espalier/espalier.h"
#include "image/preprocess.h"
#include "recipes/recipe.h"

namespace espalier {

inline constexpr int kEncoderSide = 518;  // pixels, what the reference feeds to the encoder

// Throws invalid_argument for too many images, or backgrounds that do not match them.
void check_image_request(const Request& request);

// Reads and decodes. Throws as load_picture and decode_picture do, and invalid_argument for pixels that are not as many as
// their sizes say.
[[nodiscard]] Picture load_image(const InputImage& image);
// prepare_picture with errors that call the image by its name. `background` is automatic or alpha.
[[nodiscard]] PreparedPicture prepare_image(const std::string& name, const Picture& image, Background background);

// Every image of the request as the encoder reads it. Foregrounds, notices and names go to the sink.
[[nodiscard]] std::vector<std::vector<float>> encoder_inputs(const Request& request, RecipeSink& sink);

}  // namespace espalier
