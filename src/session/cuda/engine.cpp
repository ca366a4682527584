#include "session/engine_impl.h"

namespace espalier {

std::unique_ptr<Engine> make_cuda_engine(const EngineOptions& options, std::shared_ptr<const Checkpoint> checkpoint) {
  std::string name = "cuda:" + std::to_string(options.ordinal);
  for (const CardInfo& card : list_cards()) {
    if (card.ordinal == options.ordinal) name += " (" + card.name + ")";
  }
  if (options.half) return std::make_unique<EngineImpl<Cuda, half>>(options, std::move(checkpoint), name, "float16");
  return std::make_unique<EngineImpl<Cuda, float>>(options, std::move(checkpoint), name, "float32");
}

}  // namespace espalier
