#include "base/file_hashes.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"

namespace espalier {
namespace {

constexpr std::size_t kThreads = 4;
constexpr std::size_t kPiece = std::size_t{8} << 20;  // bytes between two looks at whether to stop

// Empty when it was stopped.
std::string hash_of(const std::filesystem::path& path, const std::atomic<bool>& stop) {
  const MappedFile file(path);
  Sha256 hash;
  for (std::span<const std::byte> left = file.bytes(); !left.empty();) {
    if (stop) return {};
    const auto piece = left.first(std::min(kPiece, left.size()));
    hash.update(piece);
    left = left.subspan(piece.size());
  }
  file.check_intact();
  return hash.finish();
}

}  // namespace

FileHashes::~FileHashes() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void FileHashes::start(std::vector<std::filesystem::path> files) {
  files_ = std::move(files);
  digests_.resize(files_.size());
  failures_.resize(files_.size());
  threads_.reserve(kThreads);
  for (std::size_t i = 0; i < std::min(kThreads, files_.size()); ++i) threads_.emplace_back([this] { work(); });
}

void FileHashes::work() {
  for (std::size_t i = next_.fetch_add(1); i < files_.size() && !stop_; i = next_.fetch_add(1)) {
    try {
      digests_[i] = hash_of(files_[i], stop_);
    } catch (...) {
      failures_[i] = std::current_exception();
    }
  }
}

const std::map<std::filesystem::path, std::string>& FileHashes::get() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (const std::exception_ptr& failure : failures_) {
    if (failure) std::rethrow_exception(failure);
  }
  for (std::size_t i = 0; i < files_.size(); ++i) done_[files_[i]] = digests_[i];
  return done_;
}

}  // namespace espalier
