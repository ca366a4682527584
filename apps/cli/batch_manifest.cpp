#include "batch_manifest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>

#include "base/json.h"
#include "espalier/error.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void io_error(const fs::path& path, const char* what) {
  throw Error(ErrorCode::io, path.string() + ": " + what + ": " + std::strerror(errno),
              "check the folder's permissions and the disk");
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
      throw Error(ErrorCode::internal, "SHA-256 is not available", "check the installation of OpenSSL");
  }
  void add(const char* bytes, std::size_t count) { EVP_DigestUpdate(context_.get(), bytes, count); }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    constexpr const char* digits = "0123456789abcdef";
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
      text += digits[digest.at(i) >> 4U];
      text += digits[digest.at(i) & 15U];
    }
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256_of_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) io_error(path, "cannot be read");
  Sha256 hash;
  std::string buffer(std::size_t{1} << 18U, '\0');
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0)
    hash.add(buffer.data(), static_cast<std::size_t>(file.gcount()));
  if (file.bad()) io_error(path, "cannot be read");
  return hash.hex();
}

std::string sha256_of_text(const std::string& text) {
  Sha256 hash;
  hash.add(text.data(), text.size());
  return hash.hex();
}

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), size};
}

Manifest::Manifest(const fs::path& folder) : path_(folder / "manifest.jsonl") {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw Error(ErrorCode::io, "the folder " + folder.string() + " cannot be made: " + error.message(),
                "name another with --out");
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file_ < 0) io_error(path_, "cannot be opened");
  try {
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      throw Error(ErrorCode::invalid_argument, path_.string() + " is used by another process",
                  "wait for it, or name another folder with --out");
    }
    read();
  } catch (...) {
    ::close(file_);
    throw;
  }
}

Manifest::~Manifest() { ::close(file_); }

void Manifest::read() {
  std::ifstream file(path_, std::ios::binary);
  std::string text;
  std::uintmax_t whole = 0;  // bytes up to the end of the last line
  for (std::size_t line = 1; std::getline(file, text) && !file.eof(); ++line) {
    std::string problem;
    Json entry = read_json<Json>(text, {}, problem);
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() || !entry.contains("state") ||
        !entry["state"].is_string()) {
      throw Error(ErrorCode::format, path_.string() + ", line " + std::to_string(line) + " is not one of espalier batch's",
                  "name another folder with --out");
    }
    const std::string name = entry["name"];
    entries_[name] = std::move(entry);
    whole += text.size() + 1;
  }
  if (whole < fs::file_size(path_) && ::ftruncate(file_, static_cast<off_t>(whole)) != 0) io_error(path_, "cannot be written");
}

const Json* Manifest::last(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

void Manifest::append(const Json& entry) {
  const std::string line = entry.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t written = ::write(file_, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) io_error(path_, "cannot be written");
    done += static_cast<std::size_t>(written);
  }
  if (::fsync(file_) != 0) io_error(path_, "cannot be written");
  entries_[entry["name"]] = entry;
}

}  // namespace espalier::cli
