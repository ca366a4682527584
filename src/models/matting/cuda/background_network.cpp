#include "models/matting/background_network_on.h"
#include "tensor/dtype.h"

namespace espalier {

std::unique_ptr<BackgroundNetwork> make_cuda_background_network(const BackgroundNetworkSource& source, int ordinal,
                                                                bool in_half, const Monitor* monitor) {
  if (in_half) return std::make_unique<BackgroundNetworkOn<Cuda, half>>(source, ordinal, monitor);
  return std::make_unique<BackgroundNetworkOn<Cuda, float>>(source, ordinal, monitor);
}

}  // namespace espalier
