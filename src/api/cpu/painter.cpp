#include "api/painter_impl.h"

namespace espalier {

std::unique_ptr<Painter> make_painter_cpu(const Exhibit& exhibit, const Monitor* monitor) {
  return std::make_unique<DevicePainter<Cpu>>(0, exhibit, monitor);
}

}  // namespace espalier
