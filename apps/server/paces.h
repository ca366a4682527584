// How long stages take on this machine beside what was planned for them, as past jobs have shown; kept in a file.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>

#include "espalier/espalier.h"

namespace espalier::server {

// Functions may be called from any thread. A file that is missing, damaged or cannot be written costs nothing but the memory of
// past jobs.
class Paces {
 public:
  explicit Paces(std::filesystem::path file);

  // For Observer::pace. `place` names what the figures hold for: checkpoint, device, precision.
  [[nodiscard]] std::map<Stage, double> of(const std::string& place) const;
  // Takes over what the stages of a job took; a new figure counts half, so that one odd job is soon forgotten.
  void learn(const std::string& place, const std::vector<StageReport>& stages);

 private:
  void write() const;

  std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::map<std::string, std::map<Stage, double>> known_;
};

}  // namespace espalier::server
