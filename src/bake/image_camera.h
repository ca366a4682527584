// Where an image of an object was taken from: the pose whose image of the mesh has the same outline and colours.
//
// The image shows the object alone, framed like what the image encoder sees: nothing is known of the original camera but that
// it was upright or nearly so. A pose is therefore a direction (yaw, pitch), a distance (how strong the perspective is) and a
// roll; where the object lies in the frame and how large it is follow from the boxes of both outlines, and are corrected a
// little in the end. Poses on a grid around the object are judged in small images; the best of them are improved by pattern
// search (Hooke and Jeeves 1961) in larger ones.
#pragma once

#include <array>
#include <functional>

#include "assets/mesh.h"
#include "base/monitor.h"
#include "image/image.h"
#include "render/raster/camera.h"

namespace espalier {

// How an image and a rendered view agree.
struct ImageAgreement {
  double overlap = 0.0;       // intersection over union of the outlines
  double colour_error = 1.0;  // root mean square where both are, after a gain and an offset per channel near 1 and 0
};

struct ImagePose {
  float yaw = 0.0F, pitch = 0.0F, roll = 0.0F;  // radians
  float closeness = 0.4F;                       // 1 / distance from the origin
  float shift_x = 0.0F, shift_y = 0.0F;         // against the framing by boxes, in image sides
  float log_scale = 0.0F;
};

// An axis-aligned box in units of the image's sides.
struct OutlineBox {
  float left = 0.0F, top = 0.0F, right = 1.0F, bottom = 1.0F;
};

// The solid part (alpha above one half) of an RGBA image. Throws invalid_argument when there is none.
[[nodiscard]] OutlineBox outline_box(const Image& cutout);

// The camera of a pose that shows the mesh's box where the outline's is.
[[nodiscard]] Camera framed_camera(const Mesh& mesh, const ImagePose& pose, const OutlineBox& outline);

// Judges a camera by a square image of `size` pixels.
using JudgeCamera = std::function<ImageAgreement(const Camera&, int size)>;

struct FoundCamera {
  ImagePose pose;
  Camera camera;
  ImageAgreement agreement;  // at the largest size
};

// Deterministic if `judge` is. Asks for images of 64, 96 and 224 pixels. `check` is called before each; progress goes to the
// monitor, which may be null, in judged images of about how many there will be.
[[nodiscard]] FoundCamera find_camera(const Mesh& mesh, const OutlineBox& outline, const JudgeCamera& judge,
                                      const Monitor* monitor);

inline constexpr std::array<int, 3> kJudgedSizes{64, 96, 224};

}  // namespace espalier
