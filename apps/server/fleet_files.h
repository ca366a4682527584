// Where a fleet keeps the files of its jobs: a folder that all its machines share, or a bucket that speaks S3. What is put
// under a name never changes, so it can be kept here once it was fetched.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "fleet_error.h"

namespace espalier::server {

// There is no file of this name.
class FileMissing : public Error {
 public:
  explicit FileMissing(const std::string& name)
      : Error(ErrorCode::not_found, "the file " + name + " is gone from the store", "make it again") {}
};

// Functions may be called from any thread. They throw FleetError when the store cannot be reached or refuses.
class FleetFiles {
 public:
  FleetFiles() = default;
  FleetFiles(const FleetFiles&) = delete;
  FleetFiles& operator=(const FleetFiles&) = delete;
  virtual ~FleetFiles() = default;

  // Puts a copy of a file of this machine under a name such as ID/1/asset.glb; whoever sees it sees all of it.
  virtual void put(const std::string& name, const std::filesystem::path& from) = 0;
  // Where it can be read on this machine, at least for the next minute. Throws FileMissing.
  [[nodiscard]] virtual std::filesystem::path get(const std::string& name) = 0;
  // Nothing happens where there is none.
  virtual void remove(const std::string& name) = 0;
  // Everything whose name begins with this and a slash.
  virtual void remove_all(const std::string& folder) = 0;
  // Throws when nothing can be put.
  virtual void check() = 0;
};

struct FleetFilesOptions {
  std::string results{};  // a folder, or s3://BUCKET/PREFIX
  std::string endpoint{}, region{}, access_key{}, secret_key{};
  std::filesystem::path cache{};  // for what is fetched from a bucket
  std::uint64_t cache_bytes = std::uint64_t{4} << 30U;
};

// Throws Error invalid_argument for settings that are none, and what check() throws.
[[nodiscard]] std::unique_ptr<FleetFiles> open_fleet_files(const FleetFilesOptions& options);

}  // namespace espalier::server
