// multipart/form-data (RFC 7578) read as it comes, so that a large upload never lies in memory.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "http_connection.h"

namespace espalier::server {

struct PartHead {
  std::string name;
  std::string filename;      // as the client calls it; never a path of ours
  std::string content_type;  // lower case, without parameters; may be empty
};

struct MultipartLimits {
  int parts = 32;
  std::size_t head_bytes = 4096;  // headers of one part
};

// The boundary of a Content-Type header. Throws HttpError 415 unless it is multipart/form-data with one.
[[nodiscard]] std::string multipart_boundary(const std::string& content_type);

// Calls `begin` for each part and `data` with its bytes as they come. Throws HttpError 400 for anything malformed, and what
// body.read and the callbacks throw.
void read_multipart(Body& body, const std::string& boundary, const std::function<void(const PartHead&)>& begin,
                    const std::function<void(std::string_view)>& data, const MultipartLimits& limits = {});

}  // namespace espalier::server
