#include "hub/caches.h"

#include <algorithm>
#include <cctype>
#include <fstream>

#include "base/error.h"
#include "hub/digest.h"

namespace espalier::hub {

namespace fs = std::filesystem;

namespace {

constexpr int kComfyDepth = 4;
constexpr std::size_t kComfyEntries = 50'000;
constexpr std::uint64_t kLarge = std::uint64_t{1} << 20U;
constexpr std::size_t kMaxSnapshots = 1000;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

void add_once(std::vector<fs::path>& all, const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored) && std::find(all.begin(), all.end(), path) == all.end()) all.push_back(path);
}

// The commit in refs/REVISION; empty without one.
std::string commit_of(const fs::path& repository, const std::string& revision) {
  std::error_code ignored;
  const fs::path file = repository / "refs" / revision;
  if (!is_safe_path(revision) || !fs::is_regular_file(file, ignored)) return {};
  std::string text;
  std::ifstream(file) >> text;
  return text.size() <= 64 && is_safe_path(text) ? text : std::string();
}

// From new to old; names decide between equal times, so that the order is always the same.
std::vector<fs::path> all_snapshots(const fs::path& repository) {
  std::vector<std::pair<fs::file_time_type, fs::path>> dated;
  std::error_code error;
  for (fs::directory_iterator entry(repository / "snapshots", error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (dated.size() < kMaxSnapshots && fs::is_directory(entry->path(), ignored))
      dated.emplace_back(fs::last_write_time(entry->path(), ignored), entry->path());
  }
  std::sort(dated.begin(), dated.end(), [](const auto& a, const auto& b) { return a > b; });
  std::vector<fs::path> paths;
  for (const auto& [time, path] : dated) paths.push_back(path);
  // Of those, the ones that can be opened first.
  std::stable_partition(paths.begin(), paths.end(), [](const fs::path& p) { return is_file_of(p / "pipeline.json", 0); });
  return paths;
}

}  // namespace

std::string cache_folder_name(const std::string& repository) {
  std::string name = "models--" + repository;
  if (const auto slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return name;
}

bool is_file_of(const fs::path& path, std::uint64_t bytes) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  const std::uint64_t size = fs::file_size(path, error);
  return !error && (bytes == 0 ? size > 0 : size == bytes);
}

std::vector<fs::path> snapshots_of(const fs::path& hub, const std::string& repository, const std::string& revision) {
  std::vector<fs::path> all;
  if (hub.empty()) return all;
  for (const std::string& spelling : spellings_of(repository)) {
    const fs::path base = hub / cache_folder_name(spelling);
    if (!revision.empty() && is_safe_path(revision)) {
      if (revision.find('/') == std::string::npos) add_once(all, base / "snapshots" / revision);
      if (const std::string commit = commit_of(base, revision); !commit.empty()) add_once(all, base / "snapshots" / commit);
    }
    if (const std::string commit = commit_of(base, "main"); !commit.empty()) add_once(all, base / "snapshots" / commit);
    for (const fs::path& snapshot : all_snapshots(base)) add_once(all, snapshot);
  }
  return all;
}

Caches::Caches(const Paths& paths) : paths_(paths) {
  for (const fs::path& folder : paths_.comfy) scan_comfy(folder, 0);
}

void Caches::scan_comfy(const fs::path& folder, int depth) {
  std::error_code error;
  std::vector<fs::path> deeper;
  for (fs::directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error), end; !error && entry != end;
       entry.increment(error)) {
    if (++comfy_entries_ > kComfyEntries) return;
    std::error_code ignored;
    if (fs::is_directory(entry->path(), ignored)) {
      deeper.push_back(entry->path());
    } else if (fs::is_regular_file(entry->path(), ignored)) {
      if (const std::uint64_t size = fs::file_size(entry->path(), ignored); !ignored && size >= kLarge)
        comfy_files_.emplace(size, entry->path());
    }
  }
  std::sort(deeper.begin(), deeper.end());
  for (const fs::path& d : deeper) {
    comfy_folders_.emplace(lower(d.filename().string()), d);
    if (depth < kComfyDepth) scan_comfy(d, depth + 1);
  }
}

std::vector<fs::path> Caches::folders_of(const std::string& repository, const std::string& revision) const {
  std::vector<fs::path> all = snapshots_of(paths_.hub, repository, revision);
  const std::string name = lower(repository.substr(repository.find('/') + 1));
  const auto [first, last] = comfy_folders_.equal_range(name);
  for (auto it = first; it != last; ++it) add_once(all, it->second);
  return all;
}

std::vector<Found> Caches::candidates(const Part& part, const KnownFile& file) const {
  std::vector<Found> all;
  const auto in_blobs = [&](const fs::path& path) {
    std::error_code ignored;
    const fs::path real = fs::canonical(path, ignored);
    return !ignored && real.parent_path().filename() == "blobs" && !file.sha256.empty() && real.filename() == file.sha256;
  };
  if (part.source != Source::hub) {
    const fs::path usual = part.source == Source::torch ? paths_.torch : paths_.rembg;
    if (!usual.empty() && is_file_of(usual / file.path, file.bytes)) all.push_back({usual / file.path, false});
  } else {
    for (const fs::path& folder : folders_of(part.repository, part.revision)) {
      const fs::path path = folder / file.path;
      if (is_file_of(path, file.bytes)) all.push_back({path, in_blobs(path)});
    }
    for (const std::string& spelling : spellings_of(part.repository)) {
      const fs::path blob = paths_.hub / cache_folder_name(spelling) / "blobs" / file.sha256;
      if (!file.sha256.empty() && !paths_.hub.empty() && is_file_of(blob, file.bytes)) all.push_back({blob, true});
    }
  }
  if (file.bytes < kLarge) return all;
  const std::string name = lower(fs::path(file.path).filename().string());
  const auto [first, last] = comfy_files_.equal_range(file.bytes);
  for (const bool same_name : {true, false}) {
    for (auto it = first; it != last; ++it) {
      if ((lower(it->second.filename().string()) == name) == same_name) all.push_back({it->second, false});
    }
  }
  return all;
}

std::optional<Found> Caches::find_file(const Part& part, const KnownFile& file) const {
  const std::string name = lower(fs::path(file.path).filename().string());
  for (const Found& found : candidates(part, file)) {
    if (found.verified || lower(found.path.filename().string()) == name) return found;
  }
  return std::nullopt;
}

std::optional<fs::path> Caches::complete_folder(const Part& part) const {
  for (const fs::path& folder : folders_of(part.repository, part.revision)) {
    const bool complete = std::all_of(part.files.begin(), part.files.end(),
                                      [&](const KnownFile& f) { return is_file_of(folder / f.path, f.bytes); });
    if (complete) return folder;
  }
  return std::nullopt;
}

std::vector<fs::path> Caches::neighbours(const fs::path& folder, const std::string& repository) {
  std::vector<fs::path> all;
  std::error_code error;
  std::vector<fs::path> bases{fs::absolute(folder).lexically_normal()};
  if (fs::path real = fs::canonical(folder, error); !error && real != bases.front()) bases.push_back(std::move(real));
  for (fs::path base : bases) {
    if (!base.has_filename()) base = base.parent_path();
    for (const std::string& spelling : spellings_of(repository)) {
      add_once(all, base / spelling);
      add_once(all, base.parent_path() / spelling.substr(spelling.find('/') + 1));
      add_once(all, base.parent_path().parent_path() / spelling);
      add_once(all, base.parent_path() / spelling);
    }
    // HUB/models--OWNER--REPO/snapshots/COMMIT
    if (base.parent_path().filename() != "snapshots") continue;
    for (const fs::path& snapshot : snapshots_of(base.parent_path().parent_path().parent_path(), repository, ""))
      add_once(all, snapshot);
  }
  return all;
}

}  // namespace espalier::hub
