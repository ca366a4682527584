#include "hub/stock.h"

#include <unistd.h>

#include <algorithm>

#include "base/error.h"

namespace espalier::hub {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kSmall = std::uint64_t{1} << 20U;

// Of a file in the snapshot of the very commit, whose blob is named by its hash.
Digest digest_by_name(const PlannedPart& plan, const std::string& file, const fs::path& found) {
  std::error_code ignored;
  const fs::path real = fs::canonical(found, ignored);
  const bool of_commit = !plan.commit.empty() && found.string().ends_with("snapshots/" + plan.commit + "/" + file);
  return of_commit && real.parent_path().filename() == "blobs" ? digest_of_etag(real.filename().string()) : Digest{};
}

}  // namespace

void adopt_file(const fs::path& found, const Placement& placement) {
  make_folders(placement.file.parent_path());
  std::error_code error;
  const fs::path real = fs::canonical(found, error);
  if (error) fail_to_write(placement.file, error.value());
  if (fs::equivalent(real, placement.file, error)) return;
  const fs::path fresh = placement.file.string() + str(".", ::getpid(), ".copy");
  fs::remove(fresh, error);
  fs::create_hard_link(real, fresh, error);
  if (error) fs::copy_file(real, fresh, error);
  if (!error) fs::rename(fresh, placement.file, error);
  if (!error) return;
  std::error_code ignored;
  fs::remove(fresh, ignored);
  fail_to_write(placement.file, error.value());
}

Stock::Stock(const Paths& paths, const ModelSettings& settings, const PullObserver& observer, Meter& meter)
    : caches_(paths), settings_(settings), observer_(observer), meter_(meter) {}

void Stock::take(const std::string& name) {
  const std::vector<PlannedPart> plans = plan_model(name, caches_, offline(), meter_, observer_);
  layout_.emplace(caches_.paths(), settings_.folder, plans.front().part.repository);
  std::vector<std::uint64_t> sizes;
  for (const PlannedPart& plan : plans) {
    for (const PlannedFile& f : plan.files) sizes.push_back(f.file.bytes);
  }
  meter_.begin("verifying", sizes);
  for (const PlannedPart& plan : plans) {
    parts_.push_back(stock_of(plan));
    first_index_ += plan.files.size();
  }
}

std::vector<std::uint64_t> Stock::sizes() const {
  std::vector<std::uint64_t> sizes;
  for (const PresentPart& p : parts_) {
    for (const PlannedFile& f : p.plan.files) sizes.push_back(f.file.bytes);
  }
  return sizes;
}

std::pair<int, std::uint64_t> Stock::missing() const {
  std::pair<int, std::uint64_t> sum{0, 0};
  for (const PresentPart& p : parts_) {
    for (std::size_t i = 0; i < p.paths.size(); ++i) {
      if (!p.paths[i].empty() || p.plan.optional) continue;
      ++sum.first;
      sum.second += p.plan.files[i].file.bytes;
    }
  }
  return sum;
}

// What is whole elsewhere is used there; else the folder that the layout says.
PresentPart Stock::stock_of(const PlannedPart& plan) {
  const fs::path target = layout_->folder_of(plan.part, plan.commit);
  if (!settings_.folder.empty()) return stock_in(plan, target, true);
  for (const fs::path& folder : elsewhere(plan, target)) {
    PresentPart present = stock_in(plan, folder, false);
    if (std::none_of(present.paths.begin(), present.paths.end(), [](const fs::path& p) { return p.empty(); })) return present;
  }
  return stock_in(plan, target, true);
}

std::vector<fs::path> Stock::elsewhere(const PlannedPart& plan, const fs::path& target) const {
  Part whole = plan.part;
  for (const PlannedFile& f : plan.files) whole.files.push_back(f.file);
  std::vector<fs::path> folders;
  if (plan.part.source == Source::hub) {
    if (const std::optional<fs::path> folder = caches_.complete_folder(whole)) folders.push_back(*folder);
  } else {
    for (const Found& found : caches_.candidates(whole, whole.files.front())) {
      if (found.path.filename() == whole.files.front().path) folders.push_back(found.path.parent_path());
    }
  }
  std::erase(folders, target);
  return folders;
}

// `own`: the folder is where files are to come, so that what is wrong there makes room.
PresentPart Stock::stock_in(const PlannedPart& plan, const fs::path& folder, bool own) {
  PresentPart present{plan, folder, std::vector<fs::path>(plan.files.size())};
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    const fs::path path = folder / plan.files[i].file.path;
    if (!is_file_of(path, plan.files[i].file.bytes)) continue;
    if (is_right(path, plan.files[i].digest, plan.files[i].file.path, first_index_ + i)) {
      present.paths[i] = path;
    } else if (own) {
      remove_damaged(path);
    }
  }
  return present;
}

// A blob whose bytes are not what its name says; other versions of a file stay.
void Stock::remove_damaged(const fs::path& path) const {
  std::error_code ignored;
  const fs::path real = fs::canonical(path, ignored);
  const Digest name = digest_of_etag(real.filename().string());
  const bool damaged = real.parent_path().filename() == "blobs" && name.known() && digest_of_file(real, name.kind) != name;
  if (observer_.message && !offline())
    observer_.message(path.string() + (damaged ? " is damaged" : " is another version") + "; it is fetched again");
  if (damaged) fs::remove(real, ignored);
}

bool Stock::is_right(const fs::path& path, const Digest& digest, const std::string& name, std::size_t index) {
  std::error_code ignored;
  const std::uint64_t bytes = fs::file_size(path, ignored);
  const fs::path real = fs::canonical(path, ignored);
  const bool by_name = real.parent_path().filename() == "blobs" && digest.known() && real.filename() == digest.hex;
  const bool trusted = !digest.known() || (by_name && !settings_.verify && bytes >= kSmall) || verified_.contains(real);
  meter_.at(index, 0, name);
  std::uint64_t done = 0;
  const bool right = trusted || digest_of_file(path, digest.kind, [&](std::uint64_t n) {
                                  done += n;
                                  meter_.at(index, done, name);
                                  meter_.tick();
                                }) == digest;
  if (right) verified_.insert(real);
  meter_.at(index, right ? bytes : 0, name);
  if (right) meter_.finished(index);
  meter_.tick();
  return right;
}

std::vector<MissingFile> Stock::adopt_what_is_elsewhere() {
  std::vector<MissingFile> missing;
  std::size_t index = 0;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    for (std::size_t i = 0; i < parts_[p].paths.size(); ++i, ++index) {
      if (parts_[p].paths[i].empty() && !adopt(parts_[p], i, index)) missing.push_back({p, i, index});
    }
  }
  return missing;
}

bool Stock::adopt(PresentPart& present, std::size_t i, std::size_t index) {
  const PlannedFile& f = present.plan.files[i];
  for (const Found& found : caches_.candidates(present.plan.part, f.file)) {
    Digest digest = f.digest.known() ? f.digest : digest_by_name(present.plan, f.file.path, found.path);
    if (!digest.known() || !is_right(found.path, digest, f.file.path, index)) continue;
    // Small files of the catalogue are text, which the hub names by git's hash.
    if (!f.of_hub && f.file.bytes < kSmall && digest.kind == DigestKind::sha256)
      digest = digest_of_file(found.path, DigestKind::git_sha1);
    const Placement placement = layout_->placement_of(present.plan.part, present.plan.commit, f.file.path, digest);
    adopt_file(found.path, placement);
    layout_->publish(present.plan.part, present.plan.commit, f.file.path, placement);
    present.paths[i] = present.folder / f.file.path;
    return true;
  }
  return false;
}

}  // namespace espalier::hub
