#include "models/matting/background_network.h"

#include "base/error.h"

namespace espalier {

std::unique_ptr<BackgroundNetwork> make_cuda_background_network(const BackgroundNetworkSource& /*source*/, int /*ordinal*/,
                                                                bool /*in_half*/, const Monitor* /*monitor*/) {
  fail(ErrorCode::unsupported, "this build has no CUDA back end",
       hint("use --device cpu, or install the CUDA toolkit and rebuild with: make cuda"));
}

}  // namespace espalier
