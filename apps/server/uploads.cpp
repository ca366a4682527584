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
#include "multipart.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLongestText = 65536;

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

void IncomingFile::move_to(const fs::path& place) {
  if (::rename(path_.c_str(), place.c_str()) != 0) fail();
  path_.clear();
}

Upload read_upload(HttpRequest& request, const UploadRules& rules) {
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
        refuse("more than " + std::to_string(rules.images) + " pictures were sent", "send fewer");
      upload.image_names.push_back(clean_name(part.filename));
      file = &upload.images.emplace_back(rules.folder);
    } else if (part.name == "latent" && rules.latents > 0) {
      if (upload.latents.size() >= rules.latents) refuse("more than one latent was sent", "send one");
      file = &upload.latents.emplace_back(rules.folder);
    } else if (std::find(rules.texts.begin(), rules.texts.end(), part.name) != rules.texts.end()) {
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
  upload.latents.reserve(rules.latents);
  read_multipart(request.open_body(rules.bytes), boundary, begin, data);
  if (file != nullptr) file->finish();
  return upload;
}

std::string picture_format_of(const fs::path& path) {
  std::array<char, 12> head{};
  std::ifstream(path, std::ios::binary).read(head.data(), head.size());
  const std::string_view bytes(head.data(), head.size());
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return "png";
  if (bytes.starts_with("\xff\xd8\xff")) return "jpeg";
  if (bytes.starts_with("RIFF") && bytes.substr(8) == "WEBP") return "webp";
  throw HttpError(415, "format", "a picture is neither PNG nor JPEG nor WebP", "save it as one of these");
}

namespace {

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size, bool big_endian) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size && at + i < bytes.size(); ++i) {
    const std::uint64_t byte = static_cast<unsigned char>(bytes[at + i]);
    value = big_endian ? value << 8U | byte : value | byte << (8U * i);
  }
  return value;
}

// Width times height in the first frame header of a JPEG; 0 when there is none in these bytes.
std::uint64_t jpeg_pixels(std::string_view bytes) {
  for (std::size_t at = 2; at + 9 < bytes.size();) {
    if (bytes[at] != '\xff') return 0;
    const auto marker = static_cast<unsigned char>(bytes[at + 1]);
    if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC)
      return number_at(bytes, at + 5, 2, true) * number_at(bytes, at + 7, 2, true);
    at += 2 + static_cast<std::size_t>(number_at(bytes, at + 2, 2, true));
  }
  return 0;
}

std::uint64_t webp_pixels(std::string_view bytes) {
  const std::string_view kind = bytes.substr(12, 4);
  if (kind == "VP8X") return (number_at(bytes, 24, 3, false) + 1) * (number_at(bytes, 27, 3, false) + 1);
  if (kind == "VP8L") {
    const std::uint64_t bits = number_at(bytes, 21, 4, false);
    return ((bits & 0x3FFFU) + 1) * ((bits >> 14U & 0x3FFFU) + 1);
  }
  return (number_at(bytes, 26, 2, false) & 0x3FFFU) * (number_at(bytes, 28, 2, false) & 0x3FFFU);
}

}  // namespace

std::uint64_t pixels_of_picture(const fs::path& path) {
  std::string bytes(262144, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  const std::string_view view = bytes;
  if (view.starts_with("\x89PNG") && view.size() > 24) return number_at(view, 16, 4, true) * number_at(view, 20, 4, true);
  if (view.starts_with("\xff\xd8")) return jpeg_pixels(view);
  if (view.starts_with("RIFF") && view.size() > 30) return webp_pixels(view);
  return 0;
}

const char* media_type_of_picture(const std::string& format) {
  return format == "png" ? "image/png" : format == "jpeg" ? "image/jpeg" : "image/webp";
}

}  // namespace espalier::server
