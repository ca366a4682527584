#include "bake/image_camera.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "render/raster/vector.h"

namespace espalier {

namespace {

constexpr float kPi = std::numbers::pi_v<float>;
constexpr float kRadians = kPi / 180.0F;

// Distances from which the unit cube is seen whole, and farther ones up to nearly parallel rays.
constexpr float kFarthest = 0.05F, kNearest = 0.8F;
constexpr float kSteepest = 88.0F * kRadians;

// An object that is everywhere the same colour is told by its outline; where colours differ they count as much.
double cost_of(const ImageAgreement& a) { return (1.0 - a.overlap) + 1.5 * a.colour_error; }

struct Candidate {
  ImagePose pose;
  double cost = std::numeric_limits<double>::infinity();
};

// One number of a pose and how far the search first moves it.
struct Direction {
  float ImagePose::*number;
  float step;
};
constexpr std::array<Direction, 7> kDirections{
    Direction{&ImagePose::yaw, 5.0F * kRadians}, Direction{&ImagePose::pitch, 5.0F * kRadians},
    Direction{&ImagePose::closeness, 0.1F},      Direction{&ImagePose::roll, 2.0F * kRadians},
    Direction{&ImagePose::log_scale, 0.02F},     Direction{&ImagePose::shift_x, 0.01F},
    Direction{&ImagePose::shift_y, 0.01F}};

float angle_between(float a, float b) { return std::abs(std::remainder(a - b, 2.0F * kPi)); }

class Search {
 public:
  Search(const Mesh& mesh, const OutlineBox& outline, const JudgeCamera& judge, const Monitor* monitor)
      : mesh_(mesh), outline_(outline), judge_(judge), monitor_(monitor) {}

  FoundCamera run() {
    std::vector<Candidate> best = apart(grid(), kKept);
    for (Candidate& candidate : best) improve(candidate, kJudgedSizes[1], 3, 1.0F, kRounds);
    best = apart(std::move(best), 2);
    for (Candidate& candidate : best) {
      candidate.cost = judged(candidate.pose, kJudgedSizes[2]);
      improve(candidate, kJudgedSizes[2], kDirections.size(), 0.5F, kLastRounds);
    }
    const Candidate& winner = *std::min_element(best.begin(), best.end(), cheaper);
    FoundCamera found;
    found.pose = winner.pose;
    found.camera = framed_camera(mesh_, winner.pose, outline_);
    found.agreement = judge_(found.camera, kJudgedSizes[2]);
    return found;
  }

 private:
  static constexpr int kYaws = 36;
  static constexpr std::array<float, 7> kPitches{-25, -10, 5, 20, 35, 50, 68};  // degrees
  static constexpr std::array<float, 2> kClosenesses{0.25F, 0.55F};
  static constexpr std::size_t kKept = 8;
  static constexpr int kRounds = 9, kLastRounds = 16;
  static constexpr int kPlanned = kYaws * 14 + static_cast<int>(kKept) * 45 + 2 * 150;

  static bool cheaper(const Candidate& a, const Candidate& b) { return a.cost < b.cost; }

  double judged(const ImagePose& pose, int size) {
    if (monitor_ != nullptr) {
      monitor_->check();
      monitor_->progress(std::min(done_, kPlanned), kPlanned);
    }
    ++done_;
    return cost_of(judge_(framed_camera(mesh_, pose, outline_), size));
  }

  std::vector<Candidate> grid() {
    std::vector<Candidate> all;
    for (const float pitch : kPitches) {
      for (int i = 0; i < kYaws; ++i) {
        for (const float closeness : kClosenesses) {
          Candidate c;
          c.pose.yaw = 2.0F * kPi * static_cast<float>(i) / kYaws;
          c.pose.pitch = pitch * kRadians;
          c.pose.closeness = closeness;
          c.cost = judged(c.pose, kJudgedSizes[0]);
          all.push_back(c);
        }
      }
    }
    return all;
  }

  // The best ones that are not neighbours of a better one.
  static std::vector<Candidate> apart(std::vector<Candidate> all, std::size_t most) {
    std::stable_sort(all.begin(), all.end(), cheaper);
    std::vector<Candidate> kept;
    for (const Candidate& c : all) {
      const bool near = std::any_of(kept.begin(), kept.end(), [&](const Candidate& k) {
        return angle_between(k.pose.yaw, c.pose.yaw) * std::cos(c.pose.pitch) < 14.0F * kRadians &&
               std::abs(k.pose.pitch - c.pose.pitch) < 14.0F * kRadians;
      });
      if (near) continue;
      kept.push_back(c);
      if (kept.size() == most) break;
    }
    return kept;
  }

  // Moves one number after the other as long as that helps, with shorter and shorter steps.
  void improve(Candidate& best, int size, std::size_t directions, float scale, int rounds) {
    best.cost = judged(best.pose, size);
    for (int round = 0; round < rounds && scale > 0.06F; ++round) {
      bool better = false;
      for (std::size_t d = 0; d < directions; ++d) {
        for (const float sign : {1.0F, -1.0F}) {
          Candidate next = best;
          next.pose.*kDirections[d].number += sign * scale * kDirections[d].step;
          next.pose.closeness = std::clamp(next.pose.closeness, kFarthest, kNearest);
          next.pose.pitch = std::clamp(next.pose.pitch, -kSteepest, kSteepest);
          next.cost = judged(next.pose, size);
          if (!cheaper(next, best)) continue;
          best = next;
          better = true;
          break;
        }
      }
      if (!better) scale *= 0.5F;
    }
  }

  const Mesh& mesh_;
  const OutlineBox& outline_;
  const JudgeCamera& judge_;
  const Monitor* monitor_;
  int done_ = 0;
};

void roll_by(Camera& camera, float angle) {
  const float c = std::cos(angle), s = std::sin(angle);
  for (std::size_t k = 0; k < 3; ++k) {
    const float right = camera.rotation[k], down = camera.rotation[3 + k];
    camera.rotation[k] = c * right - s * down;
    camera.rotation[3 + k] = s * right + c * down;
  }
  const float x = camera.translation[0], y = camera.translation[1];
  camera.translation[0] = c * x - s * y;
  camera.translation[1] = s * x + c * y;
}

}  // namespace

OutlineBox outline_box(const Image& cutout) {
  require(cutout.channels == 4, "outline_box", "an image of ", cutout.channels, " channels has no outline");
  int left = cutout.width, right = -1, top = cutout.height, bottom = -1;
  for (int y = 0; y < cutout.height; ++y) {
    for (int x = 0; x < cutout.width; ++x) {
      if (cutout.at(x, y)[3] <= 127) continue;
      left = std::min(left, x);
      right = std::max(right, x);
      top = std::min(top, y);
      bottom = std::max(bottom, y);
    }
  }
  if (right < 0) fail(ErrorCode::invalid_argument, "the image to project shows no object: it is transparent everywhere");
  const auto w = static_cast<float>(cutout.width), h = static_cast<float>(cutout.height);
  return {static_cast<float>(left) / w, static_cast<float>(top) / h, static_cast<float>(right + 1) / w,
          static_cast<float>(bottom + 1) / h};
}

Camera framed_camera(const Mesh& mesh, const ImagePose& pose, const OutlineBox& outline) {
  Camera camera = camera_of({.yaw = pose.yaw, .pitch = pose.pitch, .radius = 1.0F / pose.closeness});
  roll_by(camera, pose.roll);
  float low[2] = {1e9F, 1e9F}, high[2] = {-1e9F, -1e9F};
  for (std::size_t v = 0; v < mesh.vertices.size(); v += 3) {
    const std::array<float, 3> q = camera.to_camera({mesh.vertices[v], mesh.vertices[v + 1], mesh.vertices[v + 2]});
    const float depth = std::max(q[2], 0.05F);
    for (std::size_t k = 0; k < 2; ++k) {
      low[k] = std::min(low[k], q[k] / depth);
      high[k] = std::max(high[k], q[k] / depth);
    }
  }
  const float width = std::max(high[0] - low[0], 1e-4F), height = std::max(high[1] - low[1], 1e-4F);
  const float area = (outline.right - outline.left) * (outline.bottom - outline.top);
  camera.fx = camera.fy = std::sqrt(area / (width * height)) * std::exp(pose.log_scale);
  camera.cx = 0.5F * (outline.left + outline.right) - camera.fx * 0.5F * (low[0] + high[0]) + pose.shift_x;
  camera.cy = 0.5F * (outline.top + outline.bottom) - camera.fy * 0.5F * (low[1] + high[1]) + pose.shift_y;
  return camera;
}

FoundCamera find_camera(const Mesh& mesh, const OutlineBox& outline, const JudgeCamera& judge, const Monitor* monitor) {
  return Search(mesh, outline, judge, monitor).run();
}

}  // namespace espalier
