#include "parallel/cuda/for_each.cuh"
#include "render/raster/cuda/growing_block.h"
#include "render/raster/radiance_field_renderer.h"
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

struct DivideDepth {
  const float* alpha;
  float* depth;
  __device__ void operator()(std::int64_t i) const { depth[i] = mean_depth(depth[i], alpha[i]); }
};

}  // namespace

template <>
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

template <>
void divide_depth(Queue<Cuda>& queue, const float* alpha, float* depth, std::int64_t n) {
  cuda::for_each(queue, kWhere, n, DivideDepth{alpha, depth});
}

}  // namespace radiance

template <>
struct RadianceFieldRenderer<Cuda>::State {
  Queue<Cuda>& queue;
  GrowingBlock bricks, voxels, vectors, density, colour, fine;
  radiance::Field field{};

  State(Queue<Cuda>& q, const radiance::HostField& host) : queue(q) {
    field = {bricks.upload(queue, host.bricks, "bricks of a radiance field"),
             voxels.upload(queue, host.voxels, "voxels of a radiance field"),
             vectors.upload(queue, host.vectors, "vectors of a radiance field"),
             density.upload(queue, host.density, "densities of a radiance field"),
             colour.upload(queue, host.colour, "colours of a radiance field"),
             host.resolution,
             host.side_of_bricks,
             host.rank,
             host.dim};
    queue.synchronize();  // the host's arrays end here
  }
  void draw(const Camera& camera, const RadianceFieldOptions& options, const radiance::Samples& pictures) {
    radiance::render_view<Cuda>(queue, field, camera, options, pictures,
                                [&](std::uint64_t n) { return fine.take<float>(queue, n, "samples of pictures"); });
  }
};

template <>
RadianceFieldRenderer<Cuda>::RadianceFieldRenderer(Queue<Cuda>& queue, const RadianceField& field)
    : state_(std::make_unique<State>(queue, radiance::host_field_of(field))) {}
template <>
RadianceFieldRenderer<Cuda>::~RadianceFieldRenderer() = default;

template class RadianceFieldRenderer<Cuda>;

}  // namespace espalier
