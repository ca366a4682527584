// Surface extraction on the GPU gives the bits of the CPU, which tests/unit/geometry compares with the reference.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/with_cuda.h"
#include "unit/geometry/solid_fixture.h"
#include "unit/geometry/surface_fixture.h"

namespace espalier::test {
namespace {

#if ESPALIER_WITH_CUDA

class SurfaceOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (list_gpus().empty()) GTEST_SKIP() << "no GPU on this machine";
  }
};

void expect_same_bits(const SurfaceInput& input) {
  const SurfaceOutput host = run_surface<Cpu>(input);
  const SurfaceOutput gpu = run_surface<Cuda>(input);
  EXPECT_EQ(gpu.lattice_coords, host.lattice_coords);
  EXPECT_EQ(gpu.lattice_sdf_deform, host.lattice_sdf_deform);
  EXPECT_EQ(gpu.case_ids, host.case_ids);
  EXPECT_EQ(gpu.faces, host.faces);
  EXPECT_EQ(gpu.vertices, host.vertices);
  EXPECT_EQ(gpu.attributes, host.attributes);
}

TEST_F(SurfaceOnGpu, GoldenCases) {
  for (const char* name : kGoldenSurfaces) {
    SCOPED_TRACE(name);
    const GoldenFile golden = open_golden(name);
    const SurfaceInput input = golden_input(golden);
    expect_same_bits(input);
    EXPECT_EQ(run_surface<Cuda>(input).faces, golden.read<std::int32_t>("faces"));
  }
}

TEST_F(SurfaceOnGpu, RandomCubes) {
  std::uint32_t seed = 100;
  for (const int resolution : {1, 2, 5, 13, 40}) {
    for (const float density : {0.02F, 0.3F, 1.0F}) {
      for (const bool colour : {false, true}) {
        SCOPED_TRACE(::testing::Message() << resolution << "^3, density " << density);
        SurfaceInput input = random_input(resolution, density, colour, seed++);
        input.padding = static_cast<int>(seed % 3);
        expect_same_bits(input);
      }
    }
  }
}

// Long columns, the highest coordinates, and lone cubes that need all the scratch that is promised.
TEST_F(SurfaceOnGpu, BordersOfTheLargestGrid) {
  std::set<Cell> cells;
  for (std::int32_t z = 0; z < 1024; ++z) {
    cells.insert({1023, 1023, z});
    cells.insert({0, 0, z});
    if (z % 3 == 0) cells.insert({500, 500, z});
  }
  for (const bool noise : {true, false}) {
    expect_same_bits(
        make_input(cells, 1024, true, 5, [&](const Cell& /*corner*/, float random) { return noise ? random : -1.0F; }));
  }
}

TEST_F(SurfaceOnGpu, Solids) {
  const Solid solids[] = {ball({31.7, 32.2, 32.4}, 25), vase({31.7, 32.2, 32.4}, 22, 44, 7), ball({10, 32, 32}, 20),
                          block_of({32, 32, 34}, {24.6, 24.6, 0.9})};
  std::uint64_t seed = 0;
  for (const Solid& solid : solids) {
    for (const double missing : {0.0, 0.05, 0.3}) {
      SCOPED_TRACE(::testing::Message() << "solid " << seed++ << ", " << missing << " missing");
      SurfaceInput input = solid_input(thinned(shell_of(solid, 64), missing, seed), solid, 64, true);
      input.padding = static_cast<int>(seed % 3);
      const SolidOutput host = run_solid<Cpu>(input);
      const SolidOutput device = run_solid<Cuda>(input);
      EXPECT_EQ(device.report.inside_cells, host.report.inside_cells);
      EXPECT_EQ(device.report.membrane, host.report.membrane);
      EXPECT_EQ(device.report.band_cells, host.report.band_cells);
      EXPECT_EQ(device.mesh.faces, host.mesh.faces);
      EXPECT_EQ(device.mesh.vertices, host.mesh.vertices);
      EXPECT_EQ(device.attributes, host.attributes);
      EXPECT_LE(device.peak, device.promised);
    }
  }
}

TEST_F(SurfaceOnGpu, NothingToExtract) {
  SurfaceInput empty;
  empty.resolution = 256;
  EXPECT_TRUE(run_surface<Cuda>(empty).faces.empty());
  expect_same_bits(
      make_input({{3, 3, 3}, {0, 7, 7}}, 8, true, 9, [](const Cell& /*corner*/, float /*random*/) { return 1.0F; }));
}

// Vectors that hold NaN are compared by their bits.
std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> out;
  for (const float v : values) out.push_back(std::isnan(v) ? 0x7FC00000U : std::bit_cast<std::uint32_t>(v));
  return out;
}

TEST_F(SurfaceOnGpu, FeaturesThatAreNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    SurfaceInput input = random_input(10, 0.5F, true, 6);
    Noise noise(8);
    for (int i = 0; i < 400; ++i) {
      input.features[static_cast<std::size_t>(noise.below(static_cast<std::int32_t>(input.features.size())))] = bad;
    }
    const SurfaceOutput host = run_surface<Cpu>(input);
    const SurfaceOutput gpu = run_surface<Cuda>(input);
    EXPECT_EQ(gpu.faces, host.faces);
    EXPECT_EQ(bits(gpu.vertices), bits(host.vertices));
    EXPECT_EQ(bits(gpu.attributes), bits(host.attributes));
  }
}

TEST_F(SurfaceOnGpu, InvalidCubes) {
  const auto message_of = [](const auto& run) -> std::string {
    try {
      run();
    } catch (const Error& error) {
      return error.code() == ErrorCode::invalid_argument ? error.what() : "another code";
    }
    return "no error";
  };
  SurfaceInput outside = random_input(8, 0.4F, true, 3);
  outside.coords[4 * 11 + 3] = 8;
  SurfaceInput far = random_input(8, 0.4F, true, 3);
  far.coords[4 * 2 + 1] = std::numeric_limits<std::int32_t>::min();
  SurfaceInput repeated = random_input(8, 0.4F, true, 3);
  std::copy_n(repeated.coords.begin(), 4, repeated.coords.begin() + 4 * 20);
  SurfaceInput promised = random_input(30, 0.01F, true, 3);
  promised.block = 4;
  std::fill(promised.features.begin(), promised.features.end(), -1.0F);
  for (const SurfaceInput& input : {outside, far, repeated, promised}) {
    const std::string gpu = message_of([&] { run_surface<Cuda>(input); });
    EXPECT_EQ(gpu, message_of([&] { run_surface<Cpu>(input); }));
    EXPECT_NE(gpu.find("extract_surface: "), std::string::npos) << gpu;
  }
}

#else

TEST(SurfaceOnGpu, NeedsCuda) { GTEST_SKIP() << "this build has no CUDA back end"; }

#endif

}  // namespace
}  // namespace espalier::test
