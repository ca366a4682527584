// Work inside of parallel work runs on one core: results must be those of all cores, byte for byte.
#include <gtest/gtest.h>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_report.h"
#include "geometry/simplify/simplify.h"
#include "geometry/unwrap/unwrap.h"
#include "parallel/parallel_for.h"
#include "support/mesh_shapes.h"

namespace espalier {
namespace {

using namespace test;

struct Results {
  Mesh plain, rough, exact, unwrapped;
  MeshReport report;
};

// A soup of separate triangles in several blocks, made one mesh again and taken through the steps of an export.
Results worked_on() {
  const Mesh tube = double_walled_tube(420, 48);
  Mesh soup;
  for (std::size_t c = 0; c < tube.faces.size(); ++c) {
    const float* const p = tube.vertices.data() + 3 * static_cast<std::size_t>(tube.faces[c]);
    soup.vertices.insert(soup.vertices.end(), p, p + 3);
    soup.faces.push_back(static_cast<std::int32_t>(c));
  }
  Results r;
  r.report = report_of(soup);
  r.plain = without_degenerate_faces(without_duplicate_faces(welded(soup)));
  r.rough = roughly_simplified(r.plain, 9000);
  r.exact = simplified(r.plain, 3000);
  r.unwrapped = unwrap(r.exact, {.texture_size = 256}).mesh;
  return r;
}

void expect_equal(const Mesh& a, const Mesh& b) {
  EXPECT_EQ(a.vertices, b.vertices);
  EXPECT_EQ(a.faces, b.faces);
  EXPECT_EQ(a.uvs, b.uvs);
}

TEST(OneCore, GivesTheSameMeshes) {
  const Results all = worked_on();
  EXPECT_EQ(all.report.components, 2);
  EXPECT_LE(all.rough.face_count(), 9900);
  EXPECT_GT(all.rough.face_count(), 8000);
  std::vector<Results> one(2);
  parallel_for(2, 1, [&](std::int64_t i) { one[static_cast<std::size_t>(i)] = worked_on(); });
  for (const Results& r : one) {
    expect_equal(r.plain, all.plain);
    expect_equal(r.rough, all.rough);
    expect_equal(r.exact, all.exact);
    expect_equal(r.unwrapped, all.unwrapped);
    EXPECT_EQ(r.report.area, all.report.area);
    EXPECT_EQ(r.report.volume, all.report.volume);
    EXPECT_EQ(r.report.components, all.report.components);
    EXPECT_EQ(r.report.duplicate_faces, all.report.duplicate_faces);
  }
}

}  // namespace
}  // namespace espalier
