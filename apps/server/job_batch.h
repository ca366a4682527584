// Which jobs are sampled together.
#pragma once

#include <string>

#include "job.h"

namespace espalier::server {

// Equal for jobs of one model whose samplers are set alike, with as many images: all else may differ, seeds, formats and
// finishing among them. Empty for a job that is run alone: one of another kind than images or a prompt, or one whose options
// cannot be read, which it says itself.
[[nodiscard]] std::string batch_key(const Job& job);

}  // namespace espalier::server
