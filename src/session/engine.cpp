#include "session/engine.h"

namespace espalier {

std::unique_ptr<Engine> make_engine(const EngineOptions& options, std::shared_ptr<const Checkpoint> checkpoint) {
  return options.cuda ? make_cuda_engine(options, std::move(checkpoint)) : make_cpu_engine(options, std::move(checkpoint));
}

}  // namespace espalier
