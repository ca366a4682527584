// The settings that both flows give to their transformer.
#pragma once

#include "models/config.h"
#include "nn/modulated.h"

namespace espalier {

// Reads the keys of the transformer (model_channels, num_blocks, cond_channels, ...) and finishes the arguments: throws
// unsupported for a position encoding other than "ape", and for keys that nothing asked for.
[[nodiscard]] FlowTransformerConfig flow_transformer_of(Arguments& args);

}  // namespace espalier
