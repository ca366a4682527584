#include "session/engine.h"

namespace espalier {

std::unique_ptr<Engine> make_cuda_engine(const EngineOptions& /*options*/, std::shared_ptr<const Checkpoint> /*checkpoint*/) {
  fail(ErrorCode::unsupported,
       "this build has no CUDA back end: use --device cpu, or install the CUDA toolkit and rebuild with: make cuda");
}

}  // namespace espalier
