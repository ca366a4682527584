// The API's job object.
#pragma once

#include <string>

#include "job.h"

namespace espalier::server {

// `progress`: of a job that runs here.
[[nodiscard]] Json json_of(const Job& job, const Json& progress);
[[nodiscard]] Json json_of(const std::string& id, const JobFile& file);

}  // namespace espalier::server
