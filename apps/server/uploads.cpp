#include "uploads.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "database.h"
#include "job_options.h"
#include "json_upload.h"
#include "multipart.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLongestText = 65536;

bool listed(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

IncomingFile::IncomingFile(const fs::path& folder) : path_(folder / (JobStore::new_id() + ".part")) {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd_ < 0) fail();
}

IncomingFile::IncomingFile(IncomingFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

IncomingFile::~IncomingFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

void IncomingFile::fail() const {
  throw HttpError(507, "io", std::string("the upload cannot be kept: ") + std::strerror(errno), hint_for_system(errno));
}

void IncomingFile::write(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail();
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void IncomingFile::finish() {
  if (::fsync(fd_) != 0 || ::close(std::exchange(fd_, -1)) != 0) fail();
}

void IncomingFile::replace(std::string_view bytes) {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd_ < 0) fail();
  size_ = 0;
  write(bytes);
  finish();
}

void IncomingFile::move_to(const fs::path& place) {
  if (::rename(path_.c_str(), place.c_str()) != 0) fail();
  path_.clear();
}

Upload read_upload(HttpRequest& request, const UploadRules& rules) {
  if (is_json(request.head)) return read_json_upload(request, rules);
  const std::string boundary = multipart_boundary(request.head.header("content-type"));
  Upload upload;
  IncomingFile* file = nullptr;
  std::string* text = nullptr;
  const auto refuse = [](const std::string& what, const std::string& hint) {
    throw HttpError(400, "invalid_argument", what, hint);
  };
  const auto begin = [&](const PartHead& part) {
    if (file != nullptr) file->finish();
    file = nullptr;
    text = nullptr;
    if (part.name == "image" && rules.images > 0) {
      if (upload.images.size() >= rules.images)
        refuse("more than " + std::to_string(rules.images) + " images were sent", "send fewer");
      upload.image_names.push_back(clean_name(part.filename));
      file = &upload.images.emplace_back(rules.folder);
    } else if (part.name == "mask" && rules.images > 0) {
      if (upload.images.empty()) refuse("a mask came before its image", "send it behind the image that it belongs to");
      const auto [mask, fresh] = upload.masks.try_emplace(upload.images.size() - 1, rules.folder);
      if (!fresh) refuse("an image has more than one mask", "send one");
      file = &mask->second;
    } else if (listed(rules.sources, part.name)) {
      if (upload.has(part.name)) refuse(part.name + " was sent twice", "send it once");
      file = &upload.sources.emplace(part.name, Upload::Source{IncomingFile(rules.folder), clean_name(part.filename)})
                  .first->second.file;
    } else if (listed(rules.texts, part.name) || listed(rules.values, part.name)) {
      if (!upload.texts.emplace(part.name, "").second) refuse(part.name + " was sent twice", "send it once");
      text = &upload.texts[part.name];
    } else {
      refuse("the part \"" + clean_name(part.name) + "\" means nothing here", "see /openapi.json for the parts that there are");
    }
  };
  const auto data = [&](std::string_view bytes) {
    if (file != nullptr) {
      file->write(bytes);
    } else if (text != nullptr) {
      if (text->size() + bytes.size() > kLongestText) {
        throw HttpError(413, "too_large", "a text part has more than " + std::to_string(kLongestText) + " bytes", "send less");
      }
      text->append(bytes);
    }
  };
  upload.images.reserve(rules.images);  // `file` points into them
  read_multipart(request.open_body(rules.bytes), boundary, begin, data);
  if (file != nullptr) file->finish();
  return upload;
}

ImageInfo image_info_of(const fs::path& path) {
  try {
    return image_info(path);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::format) throw;
    throw HttpError(415, "format", "an image is neither PNG, JPEG, WebP, AVIF, HEIC, GIF, TIFF nor BMP",
                    "save it as one of these");
  }
}

}  // namespace espalier::server
