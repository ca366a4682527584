// The rasteriser against float64 on every device, and the GPU against the CPU bit for bit.
#include <gtest/gtest.h>

#include <limits>

#include "base/with_cuda.h"
#include "support/data.h"
#include "support/devices.h"
#include "support/golden_file.h"
#include "unit/render/raster_fixture.h"

namespace espalier::test {
namespace {

template <class Dev>
using RasterOn = OnDevice<Dev>;
TYPED_TEST_SUITE(RasterOn, Devices, DeviceNames);

struct View {
  Mesh mesh;
  Camera camera;
  int width, height;
};

// Few large faces, some across the near plane and beyond the guard band; middling and tiny ones; wide images.
std::vector<View> views() {
  std::vector<View> all;
  Camera shifted = camera_of({.yaw = 1.0F, .pitch = -0.4F, .radius = 1.5F, .fov_degrees = 55.0F});
  shifted.cx = 0.43F;
  shifted.cy = 0.61F;
  shifted.fy *= 1.3F;
  all.push_back({soup(40, 0.8F, 1), camera_of({.yaw = 0.3F, .pitch = 0.5F}), 96, 64});
  all.push_back({soup(600, 0.08F, 2), shifted, 70, 90});
  all.push_back({soup(30, 6.0F, 3), camera_of({.radius = 0.5F, .fov_degrees = 80.0F}), 64, 64});
  all.push_back({soup(12, 4000.0F, 4), camera_of({.radius = 0.1F, .fov_degrees = 80.0F}), 64, 64});
  all.push_back({rough_sphere(24, 48, 0.4F, 0.3F, 5), camera_of({.yaw = 2.0F, .pitch = -0.7F}), 80, 80});
  all.push_back({rough_sphere(6, 12, 0.4F, 0.1F, 6), camera_of({.pitch = 1.5707963F}), 160, 24});
  Mesh broken = soup(200, 0.3F, 7);
  for (std::size_t i = 0; i < broken.vertices.size(); i += 37) {
    broken.vertices[i] = i % 2 == 0 ? std::nanf("") : std::numeric_limits<float>::infinity();
  }
  all.push_back({broken, camera_of({.yaw = 4.0F}), 64, 48});
  return all;
}

TYPED_TEST(RasterOn, AgreesWithFloat64) {
  int compared = 0;
  for (const View& view : views()) {
    SCOPED_TRACE(::testing::Message() << view.mesh.face_count() << " faces, " << view.width << " x " << view.height);
    const Oracle oracle(view.mesh, clip_positions(view.mesh, view.camera), view.width, view.height);
    const Shown shown = show<TypeParam>(view.mesh, view.camera, view.width, view.height);
    const std::vector<std::int32_t> counts = layers<TypeParam>(view.mesh, view.camera, view.width, view.height);
    for (int y = 0; y < view.height; ++y) {
      for (int x = 0; x < view.width; ++x) {
        const OraclePixel expected = oracle.at(x, y);
        if (!expected.certain) continue;
        const auto i = static_cast<std::size_t>(std::int64_t{view.width} * y + x);
        ASSERT_EQ(shown.face[i], expected.hit ? expected.hit->face + 1 : 0) << x << ", " << y;
        ASSERT_EQ(counts[i], expected.hits) << x << ", " << y;
        ++compared;
        if (!expected.hit) {
          ASSERT_EQ(shown.depth[i], 0.0F);
          continue;
        }
        // A centre that is certainly inside is not moved; float32 places it to about 1e-5 pixel.
        const double allowed = 2e-5 + 3e-5 / expected.hit->size;
        ASSERT_NEAR(shown.barycentric[2 * i], expected.hit->b0, allowed) << x << ", " << y;
        ASSERT_NEAR(shown.barycentric[2 * i + 1], expected.hit->b1, allowed) << x << ", " << y;
        ASSERT_NEAR(shown.depth[i] / expected.hit->w, 1.0, 50 * allowed) << x << ", " << y;
      }
    }
  }
  EXPECT_GT(compared, 30000);
}

TYPED_TEST(RasterOn, WritesNothingBetweenRows) {
  Queue<TypeParam> queue(0);
  TriangleRasteriser<TypeParam> rasteriser(queue, soup(50, 0.5F, 9));
  const Canvas<TypeParam> canvas(queue, 33, 21);
  for (int i = 0; i < 3; ++i) {  // the rasteriser keeps its memory
    rasteriser.render(camera_of({.yaw = static_cast<float>(i)}), canvas.fragments());
    const Shown again = canvas.download();
    EXPECT_TRUE(canvas.intact());
    EXPECT_EQ(again, show<TypeParam>(soup(50, 0.5F, 9), camera_of({.yaw = static_cast<float>(i)}), 33, 21));
  }
}

TYPED_TEST(RasterOn, WeightsAndDepthAreOptional) {
  Queue<TypeParam> queue(0);
  TriangleRasteriser<TypeParam> rasteriser(queue, soup(50, 0.5F, 9));
  const Canvas<TypeParam> canvas(queue, 33, 21);
  Fragments<TypeParam> out = canvas.fragments();
  out.barycentric = {};
  out.depth = {};
  rasteriser.render(camera_of({}), out);
  EXPECT_EQ(canvas.download().face, show<TypeParam>(soup(50, 0.5F, 9), camera_of({}), 33, 21).face);
}

TYPED_TEST(RasterOn, ReferenceImages) {
  for (const char* name : {"torus_200", "torus_8k"}) {
    const GoldenFile golden(data_path(std::string("raster/") + name + ".safetensors").string());
    const auto size = golden.read<std::int32_t>("size_wh");
    const auto positions = golden.read<float>("pos_clip");
    const auto faces = golden.read<std::int16_t>("tri");
    const auto face_id = golden.read<std::int16_t>("face_id");
    Mesh mesh;
    mesh.vertices.resize(positions.size() / 4 * 3);
    mesh.faces.assign(faces.begin(), faces.end());
    EXPECT_EQ(show_clip<TypeParam>(mesh, positions, size[0], size[1], 16).face,
              std::vector<std::int32_t>(face_id.begin(), face_id.end()));
  }
}

#if ESPALIER_WITH_CUDA

class RasterOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (list_gpus().empty()) GTEST_SKIP() << "no GPU on this machine";
  }
};

TEST_F(RasterOnGpu, TheBitsOfTheCpu) {
  for (const View& view : views()) {
    SCOPED_TRACE(::testing::Message() << view.mesh.face_count() << " faces");
    for (const int scale : {1, 7}) {
      const int width = view.width * scale, height = view.height * scale;
      EXPECT_EQ(show<Cuda>(view.mesh, view.camera, width, height), show<Cpu>(view.mesh, view.camera, width, height));
      EXPECT_EQ(layers<Cuda>(view.mesh, view.camera, width, height), layers<Cpu>(view.mesh, view.camera, width, height));
    }
  }
}

TEST_F(RasterOnGpu, TexelsOfTheCpu) {
  const Mesh square = jittered_square(40, 3);
  Mesh soup_of_texels = soup(300, 0.2F, 8);
  for (std::size_t i = 0; i < soup_of_texels.vertices.size(); i += 3) {
    soup_of_texels.uvs.insert(soup_of_texels.uvs.end(),
                              {soup_of_texels.vertices[i] + 0.5F, soup_of_texels.vertices[i + 1] + 0.5F});
  }
  for (const Mesh* mesh : {&square, static_cast<const Mesh*>(&soup_of_texels)}) {
    EXPECT_EQ(texel_layers<Cuda>(*mesh, 300, 200), texel_layers<Cpu>(*mesh, 300, 200));
    for (const float margin : {0.0F, 0.75F, 6.0F}) {
      EXPECT_EQ(show_texels<Cuda>(*mesh, 300, 200, margin), show_texels<Cpu>(*mesh, 300, 200, margin)) << margin;
    }
  }
}

TEST_F(RasterOnGpu, VisibilityOfTheCpu) {
  Queue<Cpu> cpu(0);
  Queue<Cuda> gpu(0);
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(75, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
  for (const Mesh& mesh : {rough_sphere(80, 160, 0.4F, 0.3F, 5), soup(500, 0.3F, 6), Mesh{}}) {
    for (const int size : {64, 700}) {
      EXPECT_EQ(face_visibility<Cuda>(gpu, mesh, cameras, size, nullptr),
                face_visibility<Cpu>(cpu, mesh, cameras, size, nullptr));
    }
  }
}

TEST_F(RasterOnGpu, InterpolatesLikeTheCpu) {
  const Mesh mesh = rough_sphere(12, 24, 0.45F, 0.2F, 3);
  const auto run = [&]<class Dev>(Queue<Dev>& queue) {
    TriangleRasteriser<Dev> rasteriser(queue, mesh);
    const Canvas<Dev> canvas(queue, 50, 40);
    rasteriser.render(camera_of({.yaw = 0.4F}), canvas.fragments());
    Buffer<Dev> attributes(mesh.vertices.size() * 4, 0, "attributes"), out(50 * 40 * 12, 0, "an image");
    upload_bytes(queue, mesh.vertices.data(), attributes.data(), attributes.bytes());
    rasteriser.interpolate(canvas.fragments(), {reinterpret_cast<const float*>(attributes.data()), {mesh.vertex_count(), 3}},
                           {reinterpret_cast<float*>(out.data()), {40, 50, 3}});
    std::vector<float> host(50 * 40 * 3);
    download_bytes(queue, out.data(), host.data(), out.bytes());
    queue.synchronize();
    return host;
  };
  Queue<Cpu> cpu(0);
  Queue<Cuda> gpu(0);
  EXPECT_EQ(run(gpu), run(cpu));
}

#else

TEST(RasterOnGpu, NeedsCuda) { GTEST_SKIP() << "this build has no CUDA back end"; }

#endif

}  // namespace
}  // namespace espalier::test
