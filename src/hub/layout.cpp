#include "hub/layout.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "hub/caches.h"
#include "hub/http.h"

namespace espalier::hub {

namespace fs = std::filesystem;

namespace {

constexpr const char* kOnTheWay = ".espalier";               // of flat folders
constexpr const char* kIncomplete = ".e59a11e7.incomplete";  // the hub's libraries put eight digits of their own there

void write_text(const fs::path& path, const std::string& text) {
  make_folders(path.parent_path());
  write_file(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace

Layout::Layout(Paths paths, fs::path flat, std::string first)
    : paths_(std::move(paths)), flat_(std::move(flat)), first_(std::move(first)) {}

fs::path Layout::base_of(const Part& part) const {
  if (!flat_.empty()) return part.source == Source::hub && part.repository != first_ ? flat_ / part.repository : flat_;
  const fs::path& base = part.source == Source::hub ? paths_.hub : part.source == Source::torch ? paths_.torch : paths_.rembg;
  if (base.empty()) {
    fail(ErrorCode::invalid_argument, "neither HOME nor ",
         part.source == Source::hub     ? "HF_HOME"
         : part.source == Source::torch ? "TORCH_HOME"
                                        : "U2NET_HOME",
         " says where weights are kept", hint("set one of them, or name a folder with --to"));
  }
  return base;
}

fs::path Layout::folder_of(const Part& part, const std::string& commit) const {
  const fs::path base = base_of(part);
  return in_hub_cache(part) ? base / cache_folder_name(part.repository) / "snapshots" / commit : base;
}

Placement Layout::placement_of(const Part& part, const std::string& commit, const std::string& file,
                               const Digest& digest) const {
  const fs::path base = base_of(part);
  if (in_hub_cache(part)) {
    require(digest.known(), "Layout::placement_of", "a blob without a hash");
    const std::string name = cache_folder_name(part.repository);
    const fs::path blob = base / name / "blobs" / digest.hex;
    return {blob, blob.string() + kIncomplete, base / ".locks" / name / (digest.hex + ".lock")};
  }
  const fs::path way = base / kOnTheWay / escape(file, false);
  return {folder_of(part, commit) / file, way.string() + ".incomplete", way.string() + ".lock"};
}

void Layout::publish(const Part& part, const std::string& commit, const std::string& file, const Placement& placement) const {
  const fs::path path = folder_of(part, commit) / file;
  if (path == placement.file) return;
  make_folders(path.parent_path());
  const fs::path target = placement.file.lexically_relative(path.parent_path());
  std::error_code error;
  if (fs::is_symlink(path, error) && fs::read_symlink(path, error) == target) return;
  // Replaced in one step, so that another program never finds nothing.
  const fs::path fresh = path.string() + str(".", ::getpid(), ".link");
  fs::remove(fresh, error);
  fs::create_symlink(target, fresh, error);
  if (error) {  // a file system without symbolic links
    fs::create_hard_link(placement.file, fresh, error);
    if (error) fs::copy_file(placement.file, fresh, fs::copy_options::overwrite_existing, error);
  }
  if (!error) fs::rename(fresh, path, error);
  if (error) fail_to_write(path, error.value());
}

void Layout::note_revision(const Part& part, const std::string& revision, const std::string& commit) const {
  if (!in_hub_cache(part) || commit.empty()) return;
  const fs::path refs = base_of(part) / cache_folder_name(part.repository) / "refs";
  if (!revision.empty() && revision != commit) write_text(refs / revision, commit);
  std::error_code ignored;
  if (!fs::exists(refs / "main", ignored)) write_text(refs / "main", commit);
}

void Layout::tidy(const Part& part) const {
  if (in_hub_cache(part)) return;
  const fs::path way = base_of(part) / kOnTheWay;
  std::error_code error;
  for (fs::directory_iterator entry(way, error), end; !error && entry != end; entry.increment(error)) {
    const fs::path& path = entry->path();
    std::error_code ignored;
    fs::path partial = path;
    if (path.extension() != ".lock" || fs::exists(partial.replace_extension(".incomplete"), ignored)) continue;
    const int lock = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (lock < 0) continue;
    if (::flock(lock, LOCK_EX | LOCK_NB) == 0) fs::remove(path, ignored);
    ::close(lock);
  }
  fs::remove(way, error);  // only when it is empty
}

}  // namespace espalier::hub
