// Cameras of all renderers, with the conventions of the reference's render utilities: Z is up, extrinsics are OpenCV's
// (x right, y down, z forward), intrinsics are in units of the image's sides.
#pragma once

#include <array>
#include <vector>

namespace espalier {

// A camera that looks at the origin, with Z up: it stands at radius * (sin yaw cos pitch, cos yaw cos pitch, sin pitch).
// Angles in radians but for the field of view, which is the same in both directions.
struct OrbitCamera {
  float yaw = 0.0F;
  float pitch = 0.0F;
  float radius = 2.0F;
  float fov_degrees = 40.0F;
};

// A pinhole camera of any pose. A point p of the world lies at q = R p + t before the camera and meets the image at
// column (fx q.x / q.z + cx) * width and row (fy q.y / q.z + cy) * height, in pixels; the centre of the first pixel is (0.5,
// 0.5).
struct Camera {
  std::array<float, 9> rotation{1, 0, 0, 0, 1, 0, 0, 0, 1};  // R, row by row: the axes right, down, forward in the world
  std::array<float, 3> translation{};                        // t
  float fx = 1.0F, fy = 1.0F, cx = 0.5F, cy = 0.5F;

  [[nodiscard]] std::array<float, 3> to_camera(const std::array<float, 3>& p) const;
  // Where the camera stands in the world: -R^T t.
  [[nodiscard]] std::array<float, 3> position() const;
};

[[nodiscard]] Camera camera_of(const OrbitCamera& orbit);

// `count` cameras spread over the sphere by a Hammersley sequence, as the reference chooses views for baking. The offsets
// shift the two coordinates of the sequence: other values give other views of equal spread.
[[nodiscard]] std::vector<OrbitCamera> sphere_cameras(int count, float radius, float fov_degrees,
                                                      std::array<float, 2> offset = {});

}  // namespace espalier
