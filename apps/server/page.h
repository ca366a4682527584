// The studio's page: files that were built into the program.
#pragma once

#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "http_message.h"

namespace espalier::server {

struct EmbeddedFile {
  std::string_view path;  // "index.html", "assets/app-1a2b.js"
  std::string_view bytes;
};
// Made by cmake/EspalierEmbed.cmake; empty when the program was built without the page.
[[nodiscard]] std::span<const EmbeddedFile> page_files();
// The description of the API that /openapi.json sends.
[[nodiscard]] std::string_view openapi_document();

// Serves embedded files with strong ETags, compressed where the client accepts that and it helps.
class Page {
 public:
  Page();
  // Throws HttpError 404 when there is no such file.
  [[nodiscard]] Response respond(const RequestHead& head) const;

 private:
  struct Entry {
    EmbeddedFile file;
    const char* media_type = "";
    std::string etag, compressed;  // compressed: empty where it does not help
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace espalier::server
