// What every process of a fleet begins with: its Redis and its files.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "fleet_files.h"
#include "redis.h"
#include "serve.h"

namespace espalier::server {

class Fleet {
 public:
  // Checks both. `cache`: a folder of this process for files that are fetched. `warn` is told what whoever runs the fleet
  // should change. Throws Error when one of them cannot be reached, or is of no use.
  Fleet(const ServeOptions& options, const std::filesystem::path& cache, const std::function<void(const std::string&)>& warn);

  [[nodiscard]] Redis& redis() { return redis_; }
  [[nodiscard]] FleetFiles& files() { return *files_; }

 private:
  void check(const std::function<void(const std::string&)>& warn);

  Redis redis_;
  std::unique_ptr<FleetFiles> files_;
};

}  // namespace espalier::server
