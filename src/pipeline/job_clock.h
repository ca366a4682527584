// Progress of a whole job: every stage has a share by what it costs, and the remaining time follows from the share done.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "espalier/espalier.h"
#include "samplers/flow_euler.h"

namespace espalier {

class JobClock {
 public:
  // A whole generation.
  JobClock(const SamplerSettings& structure, const SamplerSettings& latent, int pictures, const Request& request);
  // Decoding alone.
  explicit JobClock(const Request& request);

  [[nodiscard]] Progress at(const std::string& stage, int step, int steps);

 private:
  void decoding(const Request& request);
  std::vector<std::pair<std::string, double>> shares_;  // in order of work
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace espalier
