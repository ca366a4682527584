#include "api/painter.h"

namespace espalier {

std::unique_ptr<Painter> make_painter_cuda(int /*ordinal*/, const Exhibit& /*exhibit*/, const Monitor* /*monitor*/) {
  fail(ErrorCode::unsupported,
       "this build has no CUDA back end: use --device cpu, or install the CUDA toolkit and rebuild with: make cuda");
}

}  // namespace espalier
