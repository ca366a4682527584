// Names of devices, as users write them.
#pragma once

#include "session/engine.h"

namespace espalier {

// device: auto, cpu, cuda or cuda:N. auto takes the first card that this build covers, else the CPU. Throws
// invalid_argument for other names, unsupported or device with advice where a card was asked for and cannot be used.
[[nodiscard]] EngineOptions engine_options(const std::string& device, Precision precision, MemoryTier tier);

}  // namespace espalier
