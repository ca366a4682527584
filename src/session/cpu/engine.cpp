#include <thread>

#include "session/engine_impl.h"

namespace espalier {

std::unique_ptr<Engine> make_cpu_engine(const EngineOptions& options, std::shared_ptr<const Checkpoint> checkpoint) {
  bool bf16 = false;
#if defined(__x86_64__)
  bf16 = options.half && __builtin_cpu_supports("avx512bf16") != 0;
#endif
  EngineOptions own = options;
  own.half = bf16;
  return std::make_unique<EngineImpl<Cpu, float>>(own, std::move(checkpoint),
                                                  "cpu (" + std::to_string(std::thread::hardware_concurrency()) + " cores)",
                                                  bf16 ? "float32 with bfloat16 products" : "float32");
}

}  // namespace espalier
