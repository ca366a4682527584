// Uploads as forms or as JSON, streamed to files of the data folder and looked at before anything else sees them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "espalier/images.h"
#include "http_server.h"
#include "job_store.h"

namespace espalier::server {

// A file that came in, under a name of ours; removed unless it is moved away.
class IncomingFile {
 public:
  explicit IncomingFile(const std::filesystem::path& folder);
  IncomingFile(IncomingFile&& other) noexcept;
  IncomingFile& operator=(IncomingFile&&) = delete;
  ~IncomingFile();

  void write(std::string_view bytes);
  // Flushed to the disk and closed.
  void finish();
  // Of a finished file: these bytes instead of what came.
  void replace(std::string_view bytes);
  void move_to(const std::filesystem::path& place);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  [[noreturn]] void fail() const;

  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

struct Upload {
  std::vector<IncomingFile> images;
  std::vector<std::string> image_names;       // as the client calls them, cleaned
  std::map<std::size_t, IncomingFile> masks;  // by the number of the image that they came behind
  struct Source {
    IncomingFile file;
    std::string name;  // as the client calls it, cleaned
  };
  std::map<std::string, Source> sources;  // what an asset is made of beside images, by the name of the part
  std::map<std::string, std::string> texts;

  [[nodiscard]] bool has(const std::string& source) const { return sources.contains(source); }
};

struct UploadRules {
  std::filesystem::path folder;
  std::uint64_t bytes = 0;             // of the whole body
  std::size_t images = 0;              // at most; each may have a mask behind it
  std::vector<std::string> sources{};  // the other files that may come, each once
  std::vector<std::string> texts{};    // the fields that may come
  std::vector<std::string> values{};   // the same, of JSON: any value of at most 64 KiB, kept as its text
};

// Reads the whole body: multipart/form-data, or JSON as json_upload.h has it. Throws HttpError for anything that the rules do
// not allow, as soon as it is seen.
[[nodiscard]] Upload read_upload(HttpRequest& request, const UploadRules& rules);

// By the first bytes. Throws HttpError 415 for anything that is no image.
[[nodiscard]] ImageInfo image_info_of(const std::filesystem::path& path);

}  // namespace espalier::server
