// The evaluation set: objects given as signed distances, with the exact surface, colours and images that follow from them.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "image/image.h"
#include "render/raster/camera.h"

namespace espalier::quality {

using Point = std::array<float, 3>;

// Points of the unit cube (-0.5 ... 0.5) with the colour there, sRGB 0 ... 1.
struct ColouredPoints {
  std::vector<Point> points;
  std::vector<Point> colours;
};

// One object of training/sprout: primitives and the camera of its conditioning image, as training/sprout/sdf.cu takes them.
class HeldOutObject {
 public:
  HeldOutObject(std::string family, std::span<const float> primitives, std::span<const float> camera, float yaw_degrees);

  // What an object is described by instead of an image: words, and the colours that they name, that of the main part first.
  struct Caption {
    std::string text;
    std::vector<Point> colours;  // sRGB 0 ... 1
  };
  void describe(Caption caption) { caption_ = std::move(caption); }
  [[nodiscard]] const Caption& caption() const { return caption_; }

  [[nodiscard]] const std::string& family() const { return family_; }
  // Where the camera of the conditioning image stands; 0 looks at the front.
  [[nodiscard]] float yaw_degrees() const { return yaw_; }

  // As the constructor takes them.
  [[nodiscard]] std::span<const float> primitives() const { return primitives_; }
  // Another object before the same camera, without a caption.
  [[nodiscard]] HeldOutObject with_primitives(std::span<const float> primitives) const {
    return {family_, primitives, camera_, yaw_};
  }

  // [resolution^3], x slowest: 1 where the surface crosses the cell.
  [[nodiscard]] std::vector<std::uint8_t> surface_cells(int resolution) const;
  // The conditioning image, RGBA.
  [[nodiscard]] Image image(int size) const;
  // What a perfect asset looks like in the fixed soft light that the Gaussians were taught: RGBA in front of black,
  // premultiplied.
  [[nodiscard]] Image render(const OrbitCamera& camera, int size) const;
  // `count` points spread evenly over the surface, always the same.
  [[nodiscard]] std::vector<Point> surface_points(int count) const;
  // For each of these points the closest point of the surface and the plain colour there.
  [[nodiscard]] ColouredPoints closest_on_surface(std::span<const Point> points) const;

  // Distance, normal, colour at each point: 7 numbers.
  [[nodiscard]] std::vector<float> fields(std::span<const Point> points) const;

 private:
  [[nodiscard]] Image shoot(std::span<const float> camera, int size, int light) const;

  std::string family_;
  Caption caption_;
  std::vector<float> primitives_, camera_;
  float yaw_;
};

// Reads what training/held_out.py wrote, with captions where the file has them. Throws as the safetensors reader does, and
// format when a tensor has another shape.
[[nodiscard]] std::vector<HeldOutObject> load_held_out(const std::filesystem::path& file);

}  // namespace espalier::quality
