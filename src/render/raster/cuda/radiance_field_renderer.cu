#include "parallel/cuda/for_each.cuh"
#include "render/raster/radiance_field_renderer_impl.h"

namespace espalier {

namespace radiance {

namespace {

constexpr const char* kWhere = "RadianceFieldRenderer::render";
constexpr int kWide = 8, kHigh = 16;  // samples of a block; a warp has 8 x 4, which share voxels

template <int Rank>
__global__ void __launch_bounds__(kWide* kHigh)
    trace_kernel(Field field, const __grid_constant__ RayCamera camera, Samples out) {
  const int columns = (camera.width + kWide - 1) / kWide;
  const int row = static_cast<int>(blockIdx.x) / columns, column = static_cast<int>(blockIdx.x) - row * columns;
  const int x = column * kWide + static_cast<int>(threadIdx.x) % kWide, y = row * kHigh + static_cast<int>(threadIdx.x) / kWide;
  if (x >= camera.width || y >= camera.height) return;
  const Traced ray = trace<Rank>(field, camera, static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F);
  write_sample(out, camera, static_cast<std::int64_t>(y) * camera.width + x, ray);
}

}  // namespace

void trace_samples(Queue<Cuda>& queue, const Field& field, const RayCamera& camera, const Samples& out) {
  const std::int64_t blocks = cuda::ceil_div(camera.width, kWide) * cuda::ceil_div(camera.height, kHigh);
  const auto run = [&](auto* kernel) {
    cuda::launch(queue, kWhere, kernel, dim3(cuda::blocks_for(kWhere, blocks, 1)), dim3(kWide * kHigh), 0, field, camera, out);
  };
  switch (field.rank) {
    case 8: run(trace_kernel<8>); break;
    case 16: run(trace_kernel<16>); break;
    default: run(trace_kernel<0>);
  }
}

}  // namespace radiance

template class RadianceFieldRenderer<Cuda>;

}  // namespace espalier
