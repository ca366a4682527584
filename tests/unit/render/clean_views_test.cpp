// Clean-up with the rasteriser as its eyes.
#include <gtest/gtest.h>

#include <vector>

#include "geometry/repair/clean.h"
#include "render/raster/camera.h"
#include "render/raster/triangle_rasteriser.h"
#include "support/mesh_shapes.h"

namespace espalier {
namespace {

using namespace test;

TEST(CleanViews, TheRasteriserTellsInsideFromOutside) {
  Queue<Cpu> queue(0);
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(60, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
  const CountViews count = [&](const Mesh& mesh, const Monitor* monitor) {
    return Visibility{face_visibility<Cpu>(queue, mesh, cameras, 256, monitor), static_cast<int>(cameras.size())};
  };
  CleanOptions options;
  options.faces = 5000;
  CleanReport report;
  const Mesh result = cleaned(tube_with_window(240, 24, 6, 4), count, options, nullptr, &report);
  EXPECT_EQ(result.face_count(), 5000);
  EXPECT_TRUE(report.after.watertight);
  EXPECT_EQ(report.after.components, 1);
  EXPECT_EQ(report.holes.filled, 1);
  const MeshReport wall = report_of(knot_wall(240, 24, 0.0763));
  EXPECT_NEAR(report.after.volume / wall.volume, 1, 0.01);
  EXPECT_NEAR(report.after.area / wall.area, 1, 0.01);
}

}  // namespace
}  // namespace espalier
