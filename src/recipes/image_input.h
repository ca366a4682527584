// Images as users give them, made ready for the image encoder: decoded, without their background, cropped, resized.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "espalier/espalier.h"
#include "image/preprocess.h"
#include "models/matting/background_network.h"
#include "recipes/recipe.h"

namespace espalier {

inline constexpr int kEncoderSide = 518;  // pixels, what the reference feeds to the encoder

// Throws invalid_argument for too many images, or backgrounds that do not match them.
void check_image_request(const Request& request);

// Reads and decodes. Throws as load_image_file and decode_image do, and invalid_argument for pixels that are not as many as
// their sizes say.
// What the user should know of the file goes to `notices`, unless it is null.
[[nodiscard]] Image load_image(const InputImage& image, const Monitor* monitor = nullptr,
                               std::vector<std::string>* notices = nullptr);

// Finds the object in images. The network that removes backgrounds is opened when an image first needs it.
class ObjectFinder {
 public:
  // network: an ONNX file, or empty. half: in float16, on a GPU. `monitor` may be null and must outlive it.
  ObjectFinder(std::filesystem::path network, const DeviceChoice& device, bool half, const Monitor* monitor = nullptr)
      : file_(std::move(network)), device_(device), half_(half), monitor_(monitor) {}

  // prepare_image in the way that is asked for, which is not none; errors call the image by its name. `masked`: its alpha is
  // that of a mask.
  [[nodiscard]] PreparedImage prepare(const std::string& name, const Image& image, Background background, bool masked = false);
  // find_object likewise: the whole image, in which there may be no object.
  [[nodiscard]] FoundObject find(const std::string& name, const Image& image, Background background);
  // "alpha channel", "plain background removed" or "background removed by u2net.onnx".
  [[nodiscard]] std::string how(CutoutReport::Method method) const;

 private:
  // The way that the image and the background ask for: the image to look at, and what removes its background.
  struct Way {
    bool by_alpha = false;
    BackgroundRemover remover;
  };
  [[nodiscard]] Way way_of(const std::string& name, const Image& image, Background background);

  std::filesystem::path file_;
  DeviceChoice device_;
  bool half_;
  const Monitor* monitor_;
  std::unique_ptr<BackgroundNetwork> network_;
};

// Every image of the request as the encoder reads it. Foregrounds, notices and names go to the sink.
[[nodiscard]] std::vector<std::vector<float>> encoder_inputs(const Request& request, ObjectFinder& finder, RecipeSink& sink);

}  // namespace espalier
