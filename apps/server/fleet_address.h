// The addresses of a fleet: of its Redis, and of the store of its files.
#pragma once

#include <string>

namespace espalier::server {

// redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS. A host of IPv6 stands in brackets.
struct RedisAddress {
  bool tls = false;
  std::string host;
  int port = 6379;
  int database = 0;
  std::string user{}, password{};

  // For messages: without user and password.
  [[nodiscard]] std::string shown() const;
};

// Throws Error invalid_argument, which repeats nothing of the text: a password may stand anywhere in one that is wrong.
[[nodiscard]] RedisAddress parse_redis_address(const std::string& text);

// s3://BUCKET[/PREFIX]
struct BucketAddress {
  std::string bucket;
  std::string prefix;  // empty, or ends with a slash
};
[[nodiscard]] bool is_bucket_address(const std::string& text);
// Throws Error invalid_argument.
[[nodiscard]] BucketAddress parse_bucket_address(const std::string& text);

}  // namespace espalier::server
