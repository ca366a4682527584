// Files in a bucket of a store that speaks S3.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fleet_address.h"
#include "fleet_files.h"

namespace espalier::server {

// `options.results` is an address of a bucket. Throws Error invalid_argument where keys or endpoint are missing.
[[nodiscard]] std::unique_ptr<FleetFiles> open_bucket(const FleetFilesOptions& options);

// Of an answer to ListObjectsV2: the names, and where to go on; empty at the end.
struct BucketPage {
  std::vector<std::string> names;
  std::string next;
};
[[nodiscard]] BucketPage parse_bucket_page(std::string_view xml);

}  // namespace espalier::server
