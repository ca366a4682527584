#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "unit/geometry/dense_surface.h"
#include "unit/geometry/surface_fixture.h"

namespace espalier::test {
namespace {

// max |a - b| / rms(b)
double relative_error(const std::vector<float>& found, const std::vector<float>& wanted) {
  double worst = 0;
  double squares = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(found[i] - wanted[i])));
    squares += static_cast<double>(wanted[i]) * wanted[i];
  }
  return wanted.empty() ? 0 : worst / std::sqrt(squares / static_cast<double>(wanted.size()));
}

void expect_close(const std::vector<float>& found, const std::vector<float>& wanted, double tolerance, const char* what) {
  ASSERT_EQ(found.size(), wanted.size()) << what;
  EXPECT_LE(relative_error(found, wanted), tolerance) << what;
}

void expect_same(const SurfaceOutput& found, const SurfaceOutput& wanted, double tolerance) {
  EXPECT_EQ(found.case_ids, wanted.case_ids);
  EXPECT_EQ(found.faces, wanted.faces);
  expect_close(found.vertices, wanted.vertices, tolerance, "vertices");
  expect_close(found.attributes, wanted.attributes, tolerance, "attributes");
}

class GoldenSurface : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenSurface, IsReproduced) {
  const GoldenFile golden = open_golden(GetParam());
  const SurfaceInput input = golden_input(golden);
  const SurfaceOutput out = run_surface<Cpu>(input);
  if (golden.has("vert_coords")) {
    EXPECT_EQ(out.lattice_coords, golden.read<std::int32_t>("vert_coords"));
  }
  expect_close(out.lattice_sdf_deform, golden.read<float>("vert_sdf_deform"), 2e-5, "vert_sdf_deform");
  EXPECT_EQ(out.case_ids, golden.read<std::int32_t>("surf_case_ids"));
  expect_close(out.vertices, golden.read<float>("vertices"), 2e-5, "vertices");
  EXPECT_EQ(out.faces, golden.read<std::int32_t>("faces"));
  if (golden.has("attrs")) expect_close(out.attributes, golden.read<float>("attrs"), 2e-5, "attrs");
  const auto counts = golden.read<std::int32_t>("counts");
  EXPECT_EQ(out.vertices.size(), static_cast<std::size_t>(3 * counts[0]));
  EXPECT_EQ(out.faces.size(), static_cast<std::size_t>(3 * counts[1]));
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenSurface, ::testing::ValuesIn(kGoldenSurfaces),
                         [](const auto& tested) { return std::string(tested.param); });

constexpr SurfaceTable kTable = make_surface_table();

TEST(SurfaceCases, PatchesPartitionTheCrossedEdges) {
  int flagged = 0;
  for (int c = 0; c < 256; ++c) {
    const SurfaceCase& patches = kTable.cases[c];
    std::set<int> listed;
    for (int p = 0; p < patches.patches; ++p) {
      EXPECT_GE(patches.begin[p + 1] - patches.begin[p], 3) << c;
      for (int i = patches.begin[p]; i < patches.begin[p + 1]; ++i) {
        listed.insert(patches.edges[i]);
        EXPECT_EQ(patches.patch_of_edge[patches.edges[i]], p) << c;
      }
    }
    for (int e = 0; e < 12; ++e) {
      EXPECT_EQ(listed.count(e) == 1, (c >> kCubeEdges[e][0] & 1) != (c >> kCubeEdges[e][1] & 1)) << c << " edge " << e;
    }
    EXPECT_EQ(listed.size(), patches.begin[patches.patches]) << c;
    flagged += patches.flagged;
  }
  EXPECT_EQ(kTable.cases[0].patches, 0);
  EXPECT_EQ(kTable.cases[255].patches, 0);
  EXPECT_EQ(kTable.cases[105].patches, 4);  // four inside corners, none of them neighbours
  EXPECT_EQ(kTable.cases[150].patches, 4);
  EXPECT_EQ(flagged, 36);  // the rotations of the classes C16 (12) and C19 (24) of the FlexiCubes supplement
}

ErrorCode error_of(const SurfaceInput& input, std::string* message = nullptr) {
  try {
    run_surface<Cpu>(input);
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    return error.code();
  }
  return ErrorCode::internal;
}

TEST(Surface, RandomCubesMatchTheDenseGrid) {
  std::uint32_t seed = 1;
  for (const int resolution : {1, 2, 3, 7, 12}) {
    for (const float density : {0.02F, 0.2F, 0.7F, 1.0F}) {
      for (const bool colour : {false, true}) {
        const SurfaceInput input = random_input(resolution, density, colour, seed++);
        SCOPED_TRACE(::testing::Message() << resolution << "^3, density " << density);
        expect_same(run_surface<Cpu>(input), DenseSurface(input).result, 1e-5);
      }
    }
  }
}

TEST(Surface, ExactZerosAreOutsideButDoNotStartOutwardQuads) {
  SurfaceInput input = random_input(9, 0.6F, true, 77);
  const float bias = 1.0F / 9;
  // Every cube agrees about its corners, so that the mean is exact.
  for (std::int64_t i = 0; i < input.count(); ++i) {
    for (int corner = 0; corner < 8; ++corner) {
      const Cell c = input.cell(i);
      const int kind = (7 * (c[0] + (corner & 1)) + 3 * (c[1] + (corner >> 1 & 1)) + 11 * (c[2] + (corner >> 2))) % 3 - 1;
      input.features[static_cast<std::size_t>(i * input.channels + corner)] = kind == 0 ? bias : static_cast<float>(kind);
    }
  }
  const SurfaceOutput out = run_surface<Cpu>(input);
  std::int64_t exact = 0;
  for (std::size_t i = 0; i < out.lattice_sdf_deform.size(); i += 4) exact += out.lattice_sdf_deform[i] == 0 ? 1 : 0;
  EXPECT_GT(exact, 50);
  DenseSurface dense(input);
  EXPECT_EQ(out.faces, dense.result.faces);
  EXPECT_EQ(out.case_ids, dense.result.case_ids);
}

// The cubes in and around the solid where a function is negative, so that the surface is closed and has no inner walls.
SurfaceInput solid(int resolution, const std::function<double(double, double, double)>& distance) {
  std::set<Cell> cells;
  const auto at = [&](const Cell& c) {
    return static_cast<float>(
        distance((c[0] + 0.5) / resolution - 0.5, (c[1] + 0.5) / resolution - 0.5, (c[2] + 0.5) / resolution - 0.5));
  };
  for (std::int32_t x = 0; x < resolution; ++x) {
    for (std::int32_t y = 0; y < resolution; ++y) {
      for (std::int32_t z = 0; z < resolution; ++z) {
        if (at({x, y, z}) * static_cast<float>(resolution) < 2) cells.insert({x, y, z});
      }
    }
  }
  return make_input(cells, resolution, true, 3, [&](const Cell& c, float /*random*/) {
    return static_cast<float>(distance(static_cast<double>(c[0]) / resolution - 0.5,
                                       static_cast<double>(c[1]) / resolution - 0.5,
                                       static_cast<double>(c[2]) / resolution - 0.5)) +
           1.0F / static_cast<float>(resolution);
  });
}

void expect_closed(const SurfaceOutput& mesh) {
  std::map<std::pair<std::int32_t, std::int32_t>, int> directed;
  const auto vertices = static_cast<std::int32_t>(mesh.vertices.size() / 3);
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_GE(mesh.faces[f + i], 0);
      ASSERT_LT(mesh.faces[f + i], vertices);
      ++directed[{mesh.faces[f + i], mesh.faces[f + (i + 1) % 3]}];
    }
  }
  for (const auto& [edge, count] : directed) {
    ASSERT_EQ(count, 1);
    ASSERT_EQ(directed.count({edge.second, edge.first}), 1U);
  }
}

double volume(const SurfaceOutput& mesh) {
  double six = 0;
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    double p[3][3];
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t k = 0; k < 3; ++k) p[i][k] = mesh.vertices[static_cast<std::size_t>(mesh.faces[f + i]) * 3 + k];
    }
    six += p[0][0] * (p[1][1] * p[2][2] - p[1][2] * p[2][1]) - p[0][1] * (p[1][0] * p[2][2] - p[1][2] * p[2][0]) +
           p[0][2] * (p[1][0] * p[2][1] - p[1][1] * p[2][0]);
  }
  return six / 6;
}

TEST(Surface, ClosedFieldsGiveClosedOutwardMeshes) {
  const auto sphere = [](double x, double y, double z) { return std::sqrt(x * x + y * y + z * z) - 0.35; };
  const SurfaceOutput ball = run_surface<Cpu>(solid(32, sphere));
  expect_closed(ball);
  EXPECT_NEAR(volume(ball), 4.0 / 3 * 3.14159265 * 0.35 * 0.35 * 0.35, 0.02);  // positive: faces are seen from outside

  const auto torus = [](double x, double y, double z) {
    const double ring = std::sqrt(x * x + y * y) - 0.2831;
    return std::sqrt(ring * ring + z * z) - 0.1173;
  };
  const SurfaceOutput ring = run_surface<Cpu>(solid(40, torus));
  expect_closed(ring);
  const auto vertices = static_cast<std::int64_t>(ring.vertices.size() / 3);
  const auto faces = static_cast<std::int64_t>(ring.faces.size() / 3);
  EXPECT_EQ(vertices - faces / 2, 0);  // Euler characteristic of a torus: V - E + F with E = 3 F / 2
}

TEST(Surface, OrderOfTheCubesDoesNotMatter) {
  SurfaceInput input = random_input(10, 0.4F, true, 21);
  const SurfaceOutput one = run_surface<Cpu>(input);
  SurfaceInput reversed = input;
  const std::int64_t n = input.count();
  for (std::int64_t i = 0; i < n; ++i) {
    std::copy_n(input.coords.begin() + 4 * (n - 1 - i), 4, reversed.coords.begin() + 4 * i);
    std::copy_n(input.features.begin() + (n - 1 - i) * input.channels, input.channels,
                reversed.features.begin() + i * input.channels);
  }
  const SurfaceOutput other = run_surface<Cpu>(reversed);
  EXPECT_EQ(one.vertices, other.vertices);
  EXPECT_EQ(one.attributes, other.attributes);
  EXPECT_EQ(one.faces, other.faces);
}

TEST(Surface, RowsMayBeStrided) {
  SurfaceInput input = random_input(6, 0.5F, true, 12);
  const SurfaceOutput dense = run_surface<Cpu>(input);
  input.padding = 3;
  const SurfaceOutput strided = run_surface<Cpu>(input);
  EXPECT_EQ(dense.vertices, strided.vertices);
  EXPECT_EQ(dense.faces, strided.faces);
  input.coords[4 * 7 + 2] = 6;
  std::string message;
  EXPECT_EQ(error_of(input, &message), ErrorCode::invalid_argument);
  EXPECT_NE(message.find("row 7 at"), std::string::npos) << message;
}

TEST(Surface, NothingToExtract) {
  SurfaceInput empty;
  empty.resolution = 256;
  EXPECT_TRUE(run_surface<Cpu>(empty).vertices.empty());

  const auto filled = [](float value) {
    return make_input({{3, 3, 3}, {3, 3, 4}, {0, 7, 7}}, 8, true, 9,
                      [&](const Cell& /*corner*/, float /*random*/) { return value; });
  };
  EXPECT_TRUE(run_surface<Cpu>(filled(1)).vertices.empty());
  EXPECT_TRUE(run_surface<Cpu>(filled(1)).faces.empty());
  // All inside: walls close the solid, but for where it touches the border of the grid.
  const SurfaceOutput walls = run_surface<Cpu>(filled(-1));
  EXPECT_FALSE(walls.faces.empty());
  const SurfaceInput input = filled(-1);
  expect_same(walls, DenseSurface(input).result, 1e-5);
}

TEST(Surface, SingleCube) {
  const SurfaceInput input = make_input({{1, 1, 1}}, 4, true, 2, [](const Cell& corner, float /*random*/) {
    return corner == Cell{1, 1, 1} ? -1.0F : 1.0F;
  });
  const SurfaceOutput out = run_surface<Cpu>(input);
  EXPECT_EQ(out.vertices.size(), 24U);  // the eight cubes around the one vertex inside
  EXPECT_EQ(out.faces.size(), 36U);
  expect_closed(out);
}

TEST(Surface, HighestResolution) {
  const auto corner = static_cast<std::int32_t>(1023);
  const SurfaceInput input =
      make_input({{corner, corner, corner}, {0, 0, 0}, {512, 511, 1023}, {0, 1023, 4}}, 1024, false, 2,
                 [](const Cell& at, float /*random*/) { return (at[0] + at[1] + at[2]) % 2 == 0 ? -1.0F : 1.0F; });
  const SurfaceOutput out = run_surface<Cpu>(input);
  EXPECT_EQ(out.lattice_coords.size(), 4U * 8 * 3);
  EXPECT_EQ(std::vector<std::int32_t>(out.lattice_coords.end() - 3, out.lattice_coords.end()),
            (std::vector<std::int32_t>{1024, 1024, 1024}));
  EXPECT_FALSE(out.faces.empty());
}

TEST(Surface, RefusesCubesOutsideTheGrid) {
  for (const std::int32_t bad : {-1, 8, std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}) {
    for (std::size_t axis = 1; axis <= 3; ++axis) {
      SurfaceInput input = random_input(8, 0.3F, true, 4);
      input.coords[4 * 17 + axis] = bad;
      std::string message;
      EXPECT_EQ(error_of(input, &message), ErrorCode::invalid_argument);
      EXPECT_NE(message.find("row 17"), std::string::npos) << message;
    }
  }
}

TEST(Surface, RefusesRepeatedCubes) {
  SurfaceInput input = random_input(8, 0.3F, true, 4);
  std::copy_n(input.coords.begin() + 4 * 5, 4, input.coords.begin() + 4 * 31);
  std::string message;
  EXPECT_EQ(error_of(input, &message), ErrorCode::invalid_argument);
  EXPECT_NE(message.find("row 31"), std::string::npos) << message;
  EXPECT_NE(message.find("row 5"), std::string::npos) << message;
}

TEST(Surface, RefusesWrongSizes) {
  SurfaceInput input = random_input(4, 1, true, 4);
  input.resolution = 2000;
  EXPECT_EQ(error_of(input), ErrorCode::invalid_argument);
  input.resolution = 0;
  EXPECT_EQ(error_of(input), ErrorCode::invalid_argument);
  input.resolution = 4;
  input.channels = 100;
  input.features.resize(static_cast<std::size_t>(100 * input.count()));
  EXPECT_EQ(error_of(input), ErrorCode::invalid_argument);
}

TEST(Surface, FeaturesThatAreNotFiniteSpoilOnlyTheirSurroundings) {
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max()};
  const SurfaceInput clean = random_input(8, 0.5F, true, 6);
  for (const float value : bad) {
    SurfaceInput input = clean;
    Noise noise(8);
    for (int i = 0; i < 300; ++i) {
      input.features[static_cast<std::size_t>(noise.below(static_cast<std::int32_t>(input.features.size())))] = value;
    }
    const SurfaceOutput out = run_surface<Cpu>(input);
    const auto vertices = static_cast<std::int32_t>(out.vertices.size() / 3);
    for (const std::int32_t v : out.faces) ASSERT_TRUE(v >= 0 && v < vertices);
    SurfaceInput all = clean;
    std::fill(all.features.begin(), all.features.end(), value);
    EXPECT_NO_THROW(run_surface<Cpu>(all));
  }
}

TEST(Surface, StaysWithinItsScratch) {
  // Lone cubes with every vertex inside need the most: run_surface gives the arena exactly the bound.
  std::set<Cell> lone;
  for (std::int32_t x = 1; x < 40; x += 3) {
    for (std::int32_t y = 1; y < 40; y += 3) {
      for (std::int32_t z = 1; z < 40; z += 3) lone.insert({x, y, z});
    }
  }
  const auto inside = [](const Cell& /*corner*/, float /*random*/) { return -1.0F; };
  SurfaceInput input = make_input(lone, 41, true, 1, inside);
  SurfaceOutput out = run_surface<Cpu>(input);
  EXPECT_GT(out.peak, surface_scratch_bytes<Cpu>(input.count(), 41, true) * 9 / 10);

  // The same as blocks of 4^3.
  std::set<Cell> blocks;
  for (std::int32_t b = 0; b < 5 * 5 * 5; ++b) {
    for (std::int32_t i = 0; i < 64; ++i) {
      blocks.insert({8 * (b / 25) + i / 16, 8 * (b / 5 % 5) + i / 4 % 4, 8 * (b % 5) + i % 4});
    }
  }
  input = make_input(blocks, 40, true, 1, inside);
  input.block = 4;
  out = run_surface<Cpu>(input);
  EXPECT_LT(surface_scratch_bytes<Cpu>(input.count(), 40, true, 4), surface_scratch_bytes<Cpu>(input.count(), 40, true) / 2);

  // The benchmark's asset: well below a gigabyte without any promise.
  EXPECT_LT(surface_scratch_bytes<Cpu>(766592, 256, true), std::size_t{700} << 20U);
  EXPECT_LT(surface_scratch_bytes<Cpu>(766592, 256, true, 4), std::size_t{180} << 20U);

  input = make_input(lone, 41, true, 1, inside);
  input.block = 4;
  EXPECT_EQ(error_of(input), ErrorCode::invalid_argument);
}

TEST(Surface, MeteringTakesTheBound) {
  Arena<Cpu> meter;
  Queue<Cpu> queue;
  queue.use(&meter);
  const View<Cpu, const std::int32_t, 2> cubes(nullptr, {5000, 4});
  const View<Cpu, const float, 2> features(nullptr, {5000, 101});
  const auto never = [](std::int64_t, std::int64_t, bool) -> SurfaceMesh<Cpu> {
    throw std::logic_error("called while metering");
  };
  const SurfaceMesh<Cpu> mesh = extract_surface<Cpu>(queue, cubes, features, 256, never);
  EXPECT_EQ(mesh.vertices.extent(0), 0);
  EXPECT_EQ(meter.peak(), surface_scratch_bytes<Cpu>(5000, 256, true));
  EXPECT_EQ(meter.used(), 0U);
}

}  // namespace
}  // namespace espalier::test
