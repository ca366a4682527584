#include "geometry/surface/surface_extractor.h"
#include "parallel/cuda/for_each.cuh"

namespace espalier {
namespace {

__device__ constexpr SurfaceTable device_table = make_surface_table();

}  // namespace

const SurfaceTable* surface::table_of(Queue<Cuda>& queue) {
  cuda::activate(queue);
  void* address = nullptr;
  ESPALIER_CHECK_CUDA(cudaGetSymbolAddress(&address, device_table));
  return static_cast<const SurfaceTable*>(address);
}

ESPALIER_INSTANTIATE_SURFACE(Cuda)

}  // namespace espalier
