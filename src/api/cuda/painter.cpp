#include "api/painter_impl.h"

namespace espalier {

std::unique_ptr<Painter> make_painter_cuda(int ordinal, const Exhibit& exhibit, const Monitor* monitor) {
  return std::make_unique<DevicePainter<Cuda>>(ordinal, exhibit, monitor);
}

}  // namespace espalier
