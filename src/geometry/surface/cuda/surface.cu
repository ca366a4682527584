#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

#include "geometry/surface/surface_extractor.h"
#include "parallel/cuda/for_each.cuh"

namespace espalier {
namespace {

__device__ constexpr SurfaceTable device_table = make_surface_table();

struct OnCuda {
  using Device = Cuda;

  static const SurfaceTable* table(Queue<Cuda>& queue) {
    cuda::activate(queue);
    void* address = nullptr;
    ESPALIER_CHECK_CUDA(cudaGetSymbolAddress(&address, device_table));
    return static_cast<const SurfaceTable*>(address);
  }

  template <class Step>
  static void each(Queue<Cuda>& queue, std::int64_t n, const Step& step) {
    cuda::for_each(queue, "extract_surface", n, step);
  }

  static std::size_t sort_bytes(std::int64_t n, int bits) {
    std::size_t bytes = 0;
    ESPALIER_CHECK_CUDA(cub::DeviceRadixSort::SortPairs(
        nullptr, bytes, static_cast<const std::uint32_t*>(nullptr), static_cast<std::uint32_t*>(nullptr),
        static_cast<const std::int32_t*>(nullptr), static_cast<std::int32_t*>(nullptr), static_cast<int>(n), 0, bits));
    return bytes;
  }

  static void sort_pairs(Queue<Cuda>& queue, surface::Pairs from, surface::Pairs to, std::int64_t n, int bits,
                         View<Cuda, std::byte, 1> workspace) {
    const cudaStream_t stream = cuda::activate(queue);
    auto bytes = static_cast<std::size_t>(workspace.size());
    ESPALIER_CHECK_CUDA(cub::DeviceRadixSort::SortPairs(workspace.data(), bytes, static_cast<const std::uint32_t*>(from.keys),
                                                        to.keys, static_cast<const std::int32_t*>(from.rows), to.rows,
                                                        static_cast<int>(n), 0, bits, stream));
  }

  static std::size_t sum_bytes(std::int64_t n) {
    std::size_t bytes = 0;
    ESPALIER_CHECK_CUDA(
        cub::DeviceScan::ExclusiveSum(nullptr, bytes, static_cast<std::int32_t*>(nullptr), static_cast<int>(n)));
    return bytes;
  }

  static void sum_up(Queue<Cuda>& queue, View<Cuda, std::int32_t, 1> values, View<Cuda, std::byte, 1> workspace) {
    const cudaStream_t stream = cuda::activate(queue);
    auto bytes = static_cast<std::size_t>(workspace.size());
    ESPALIER_CHECK_CUDA(
        cub::DeviceScan::ExclusiveSum(workspace.data(), bytes, values.data(), static_cast<int>(values.extent(0)), stream));
  }
};

}  // namespace

template <>
SurfaceMesh<Cuda> extract_surface(Queue<Cuda>& queue, View<Cuda, const std::int32_t, 2> cubes,
                                  View<Cuda, const float, 2> features, int resolution,
                                  const std::function<SurfaceMesh<Cuda>(std::int64_t, std::int64_t, bool)>& allocate,
                                  SurfaceTrace<Cuda>* trace, int block) {
  return surface::extract<OnCuda>(queue, cubes, features, resolution, allocate, trace, block);
}

template <>
std::size_t surface_scratch_bytes<Cuda>(std::int64_t cubes, int resolution, bool colour, int block) {
  return surface::scratch_bytes<OnCuda>(cubes, resolution, colour, block);
}

template <>
SurfaceMesh<Cuda> extract_solid(Queue<Cuda>& queue, View<Cuda, const std::int32_t, 2> cubes,
                                View<Cuda, const float, 2> features, int resolution,
                                const std::function<SurfaceMesh<Cuda>(std::int64_t, std::int64_t, bool)>& allocate, int block,
                                SolidReport* report) {
  return surface::extract_closed<OnCuda>(queue, cubes, features, resolution, allocate, block, report);
}

template <>
std::size_t solid_scratch_bytes<Cuda>(std::int64_t cubes, int resolution, bool colour, int block) {
  return surface::solid_bytes<OnCuda>(cubes, resolution, colour, block);
}

}  // namespace espalier
