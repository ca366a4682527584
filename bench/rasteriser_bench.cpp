// Face visibility over many views of a tube around the curve ((R + r cos 3p) cos 2p, (R + r cos 3p) sin 2p, r sin 3p), and
// images with weights and depth: rasteriser_bench [cpu|cuda] [views] [rings] [sides] [size]. The default is the workload of the
// reference's hidden-face removal: 1000 views of 100,000 faces at 1024 x 1024.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include "program.h"
#include "render/raster/triangle_rasteriser.h"
#include "runtime/array.h"

namespace espalier {
namespace {

using Point = std::array<double, 3>;

Point curve(double p) {
  constexpr double kMajor = 0.28, kMinor = 0.13;
  const double radius = kMajor + kMinor * std::cos(3 * p);
  return {radius * std::cos(2 * p), radius * std::sin(2 * p), kMinor * std::sin(3 * p)};
}
Point normalised(const Point& v) {
  const double length = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  return {v[0] / length, v[1] / length, v[2] / length};
}
Point crossed(const Point& a, const Point& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

// Two triangles for each of rings x sides quads.
Mesh tube(int rings, int sides) {
  constexpr double kRadius = 0.07;
  constexpr double kTurn = 2 * std::numbers::pi;
  Mesh mesh;
  for (int i = 0; i < rings; ++i) {
    const double p = kTurn * i / rings, step = 1e-4;
    const Point centre = curve(p), ahead = curve(p + step), behind = curve(p - step);
    const Point tangent = normalised({ahead[0] - behind[0], ahead[1] - behind[1], ahead[2] - behind[2]});
    const Point a = normalised(crossed(tangent, {0, 0, 1}));
    const Point b = crossed(tangent, a);
    for (int j = 0; j < sides; ++j) {
      const double s = kTurn * j / sides;
      for (std::size_t k = 0; k < 3; ++k) {
        mesh.vertices.push_back(static_cast<float>(centre[k] + kRadius * (std::cos(s) * a[k] + std::sin(s) * b[k])));
      }
      const int i1 = (i + 1) % rings, j1 = (j + 1) % sides;
      const std::array<int, 4> quad = {i * sides + j, i1 * sides + j, i1 * sides + j1, i * sides + j1};
      for (const std::size_t k : {0, 1, 2, 0, 2, 3}) mesh.faces.push_back(quad[k]);
    }
  }
  return mesh;
}

template <class Dev>
void time(bench::Program& program, const Mesh& mesh, int views, int size) {
  Queue<Dev> queue(0);
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(views, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
  std::vector<std::int32_t> counts;
  const std::string what = str(Dev::name, "/", mesh.face_count(), " faces, ", size, "^2/");
  program.add(
      str("visibility/", what, views, " views"), queue,
      [&] { counts = face_visibility<Dev>(queue, mesh, cameras, size, nullptr); },
      [&] {
        double seen = 0, sightings = 0;
        for (const std::int32_t c : counts) {
          seen += c > 0 ? 1 : 0;
          sightings += c;
        }
        return bench::Counters{{"faces_seen", seen}, {"sightings", sightings}};
      });
  const Array<Dev, std::int32_t> face(queue, std::int64_t{size} * size, "faces");
  const Array<Dev, float> rest(queue, std::int64_t{3} * size * size, "weights and depth");
  const Fragments<Dev> image{face.template view<2>({size, size}),
                             rest.template view<3>({size, size, 2}),
                             {rest.data() + std::int64_t{2} * size * size, {size, size}}};
  TriangleRasteriser<Dev> rasteriser(queue, mesh);
  const int images = std::min(views, 100);
  program.add(str("images/", what, images, " views"), queue, [&] {
    for (int i = 0; i < images; ++i) rasteriser.render(cameras[static_cast<std::size_t>(i)], image);
  });
  bench::Program::run();
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::start(argc, argv, "rasteriser_bench [cpu|cuda] [views] [rings] [sides] [size]", [](bench::Program& program) {
    program.at_most(5);
    const std::string device = program.text(0, "cpu");
    const int views = program.number(1, 1000, 1, 100000), size = program.number(4, 1024, 1, kMaxRasterSide);
    const Mesh mesh = tube(program.number(2, 1000, 3, 100000), program.number(3, 50, 3, 10000));
    program.on(device, [&]<class Dev>(std::type_identity<Dev>) { time<Dev>(program, mesh, views, size); });
  });
}
