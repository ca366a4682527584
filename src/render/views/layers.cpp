#include "render/views/layers.h"

#include <algorithm>
#include <cmath>

#include "parallel/parallel_for.h"

namespace espalier {

namespace {

// The order of two corners that both faces at an edge agree on.
bool before(const raster::Homogeneous& a, const raster::Homogeneous& b) {
  if (a.x != b.x) return a.x < b.x;
  if (a.y != b.y) return a.y < b.y;
  return a.w < b.w;
}

}  // namespace

LayerPeeler::LayerPeeler(const Mesh& mesh, std::span<const std::int32_t> faces, const raster::CameraStep& project,
                         const raster::Frame& frame, std::span<const float> opaque)
    : frame_(frame), opaque_(opaque) {
  const auto samples = static_cast<std::size_t>(frame.width) * static_cast<std::size_t>(frame.height);
  hits_.resize(samples);
  before_.resize(samples);
  done_.resize(samples);
  for (const std::int32_t f : faces) {
    Face face{};
    face.index = f;
    bool behind = false, ahead = false;
    double low[2] = {1e30, 1e30}, high[2] = {-1e30, -1e30};
    for (int k = 0; k < 3; ++k) {
      face.v[k] = project(
          &mesh.vertices[static_cast<std::size_t>(mesh.faces[3 * static_cast<std::size_t>(f) + static_cast<std::size_t>(k)]) *
                         3]);
      const bool near = !(face.v[k].w > frame.near_z);
      behind = behind || near;
      ahead = ahead || !near;
      const double p[2] = {double{face.v[k].x} / face.v[k].w, double{face.v[k].y} / face.v[k].w};
      for (int c = 0; c < 2; ++c) {
        low[c] = std::min(low[c], p[c]);
        high[c] = std::max(high[c], p[c]);
      }
    }
    if (!ahead) continue;
    // Points in pixels from the centre; a face that reaches behind the camera may be anywhere.
    const auto sample = [](double p, std::int32_t size) { return std::clamp(p + 0.5 * size, -1.0, size + 1.0); };
    face.left = behind ? 0 : static_cast<std::int64_t>(std::floor(sample(low[0], frame.width))) - 1;
    face.right = behind ? frame.width : static_cast<std::int64_t>(std::ceil(sample(high[0], frame.width))) + 1;
    face.top = behind ? 0 : static_cast<std::int64_t>(std::floor(sample(low[1], frame.height))) - 1;
    face.bottom = behind ? frame.height : static_cast<std::int64_t>(std::ceil(sample(high[1], frame.height))) + 1;
    face.left = std::max<std::int64_t>(face.left, 0);
    face.top = std::max<std::int64_t>(face.top, 0);
    face.right = std::min<std::int64_t>(face.right, frame.width);
    face.bottom = std::min<std::int64_t>(face.bottom, frame.height);
    if (face.left < face.right && face.top < face.bottom) faces_.push_back(face);
  }
}

// As the rasteriser does, but with products of doubles, whose signs are exact: of two faces at an edge one takes a sample on
// it.
bool LayerPeeler::inside(const Face& face, float x, float y, raster::Weights& weights, float& depth) {
  float px[3], py[3];
  double area[3], sum = 0.0;
  for (int i = 0; i < 3; ++i) {
    px[i] = std::fma(-x, face.v[i].w, face.v[i].x);
    py[i] = std::fma(-y, face.v[i].w, face.v[i].y);
  }
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    area[i] = double{px[j]} * py[k] - double{px[k]} * py[j];
    sum += area[i];
  }
  if (!(std::abs(sum) > 0.0)) return false;
  const double side = sum < 0.0 ? -1.0 : 1.0;
  for (int i = 0; i < 3; ++i) {
    const double a = side * area[i];
    if (a < 0.0) return false;
    if (a == 0.0 && before(face.v[(i + 1) % 3], face.v[(i + 2) % 3]) != (side > 0.0)) return false;
  }
  weights = {static_cast<float>(area[0] / sum), static_cast<float>(area[1] / sum)};
  depth = static_cast<float>((area[0] * face.v[0].w + area[1] * face.v[1].w + area[2] * face.v[2].w) / sum);
  return true;
}

void LayerPeeler::scan(std::int64_t first_row, std::int64_t last_row) {
  for (const Face& face : faces_) {
    for (std::int64_t y = std::max(face.top, first_row); y < std::min(face.bottom, last_row); ++y) {
      for (std::int64_t x = face.left; x < face.right; ++x) {
        const auto at = static_cast<std::size_t>(y * frame_.width + x);
        if (done_[at] != 0) continue;
        Hit hit;
        hit.face = face.index;
        const float px = static_cast<float>(2 * x + 1 - frame_.width) * 0.5F,
                    py = static_cast<float>(2 * y + 1 - frame_.height) * 0.5F;
        if (!inside(face, px, py, hit.weights, hit.depth) || !(hit.depth > frame_.near_z)) continue;
        // Of equal depths the highest face comes first, as the rasteriser has it.
        const auto nearer = [](const Hit& a, const Hit& b) {
          return a.depth < b.depth || (a.depth == b.depth && a.face > b.face);
        };
        if (opaque_[at] > 0.0F && !(hit.depth < opaque_[at])) continue;
        if (before_[at].face >= 0 && !nearer(before_[at], hit)) continue;
        if (hits_[at].face < 0 || nearer(hit, hits_[at])) hits_[at] = hit;
      }
    }
  }
}

bool LayerPeeler::next() {
  std::swap(before_, hits_);
  for (std::size_t i = 0; i < hits_.size(); ++i) {
    // What had nothing in the last layer has nothing in this one.
    if (started_ && before_[i].face < 0) done_[i] = 1;
    hits_[i] = Hit{};
  }
  started_ = true;
  constexpr std::int64_t kRows = 16;
  const std::int64_t blocks = (frame_.height + kRows - 1) / kRows;
  parallel_for(blocks, 1, [&](std::int64_t b) { scan(b * kRows, std::min<std::int64_t>((b + 1) * kRows, frame_.height)); });
  return std::any_of(hits_.begin(), hits_.end(), [](const Hit& hit) { return hit.face >= 0; });
}

}  // namespace espalier
