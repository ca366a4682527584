// What tests of clean-up expect of closed surfaces.
#pragma once

#include <gtest/gtest.h>

#include "geometry/mesh/mesh_report.h"

namespace espalier::test {

// A watertight manifold that encloses something, with this V - E + F.
inline void expect_closed(const Mesh& mesh, std::int64_t euler) {
  const MeshReport report = report_of(mesh);
  EXPECT_TRUE(report.watertight);
  EXPECT_TRUE(report.consistent_winding);
  EXPECT_EQ(report.non_manifold_vertices, 0);
  EXPECT_EQ(report.degenerate_faces, 0);
  EXPECT_EQ(report.duplicate_faces, 0);
  EXPECT_EQ(report.euler(), euler);
  EXPECT_GT(report.volume, 0);
}

}  // namespace espalier::test
