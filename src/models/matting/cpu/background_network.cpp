#include "models/matting/background_network_on.h"

namespace espalier {

std::unique_ptr<BackgroundNetwork> make_cpu_background_network(const BackgroundNetworkSource& source, const Monitor* monitor) {
  return std::make_unique<BackgroundNetworkOn<Cpu, float>>(source, 0, monitor);
}

}  // namespace espalier
