#include "hub/pull.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.h"
#include "hub/caches.h"
#include "hub/meter.h"
#include "hub/repository.h"
#include "hub/transfer.h"

namespace espalier::hub {

namespace fs = std::filesystem;

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

void check_room(const fs::path& folder, std::uint64_t bytes) {
  fs::path existing = folder;
  std::error_code ignored;
  while (!fs::exists(existing, ignored) && existing.has_relative_path()) existing = existing.parent_path();
  struct statvfs disk {};
  if (existing.empty() || ::statvfs(existing.c_str(), &disk) != 0) return;  // whoever writes will see
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (free >= bytes) return;
  fail(ErrorCode::io, existing.string(), " has room for ", decimal_bytes(free), ", but ", decimal_bytes(bytes),
       " are to come; free some space, or choose a folder on another disk with --to or HF_HOME");
}

namespace {

constexpr std::uint64_t kSmall = std::uint64_t{1} << 20U;

class Puller {
 public:
  Puller(const Places& places, const ModelSettings& settings, const PullObserver& observer)
      : caches_(places), settings_(settings), observer_(observer), meter_(observer) {}

  // Finds and verifies what is here.
  void take_stock(const std::string& name) {
    name_ = name;
    plans_ = plan_model(name, caches_, offline(), meter_, observer_);
    layout_.emplace(caches_.places(), settings_.folder, plans_.front().part.repository);
    std::vector<std::uint64_t> sizes;
    for (const PlannedPart& plan : plans_) {
      for (const PlannedFile& f : plan.files) sizes.push_back(f.file.bytes);
    }
    meter_.begin("verifying", sizes);
    for (const PlannedPart& plan : plans_) {
      parts_.push_back(stock_of(plan));
      first_index_ += plan.files.size();
    }
  }

  [[nodiscard]] bool offline() const { return settings_.offline || caches_.places().offline; }
  [[nodiscard]] std::vector<PresentPart>& parts() { return parts_; }

  // Brings everything else that can be had without a network into its place, then fetches the rest.
  PullReport fetch() {
    const auto start = std::chrono::steady_clock::now();
    std::vector<Missing> missing = adopt_what_is_elsewhere();
    if (!missing.empty() && offline()) fail_offline(missing);
    PullReport report;
    report.name = name_;
    fetch_all(missing, report);
    for (const PresentPart& p : parts_) {
      layout_->tidy(p.plan.part);
      if (p.folder == layout_->folder_of(p.plan.part, p.plan.commit))
        layout_->note_revision(p.plan.part, p.plan.requested, p.plan.commit);
      describe(p, report);
    }
    report.folder = parts_.front().folder;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
  }

  // Missing files, and their bytes where they are known.
  [[nodiscard]] std::pair<int, std::uint64_t> missing() const {
    std::pair<int, std::uint64_t> sum{0, 0};
    for (const PresentPart& p : parts_) {
      for (std::size_t i = 0; i < p.paths.size(); ++i) {
        if (!p.paths[i].empty()) continue;
        ++sum.first;
        sum.second += p.plan.files[i].file.bytes;
      }
    }
    return sum;
  }

 private:
  struct Missing {
    std::size_t part, file, index;
  };

  // What is whole elsewhere is used there; else the folder that the layout says.
  PresentPart stock_of(const PlannedPart& plan) {
    const fs::path target = layout_->folder_of(plan.part, plan.commit);
    if (!settings_.folder.empty()) return stock_in(plan, target, true);
    for (const fs::path& folder : elsewhere(plan, target)) {
      PresentPart present = stock_in(plan, folder, false);
      if (std::none_of(present.paths.begin(), present.paths.end(), [](const fs::path& p) { return p.empty(); })) return present;
    }
    return stock_in(plan, target, true);
  }

  [[nodiscard]] std::vector<fs::path> elsewhere(const PlannedPart& plan, const fs::path& target) const {
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
  PresentPart stock_in(const PlannedPart& plan, const fs::path& folder, bool own) {
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
  void remove_damaged(const fs::path& path) const {
    std::error_code ignored;
    const fs::path real = fs::canonical(path, ignored);
    const Digest name = digest_of_etag(real.filename().string());
    const bool damaged = real.parent_path().filename() == "blobs" && name.known() && digest_of_file(real, name.kind) != name;
    if (observer_.message && !offline())
      observer_.message(path.string() + (damaged ? " is damaged" : " is another version") + "; it is fetched again");
    if (damaged) fs::remove(real, ignored);
  }

  bool is_right(const fs::path& path, const Digest& digest, const std::string& name, std::size_t index) {
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

  std::vector<Missing> adopt_what_is_elsewhere() {
    std::vector<Missing> missing;
    std::size_t index = 0;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      for (std::size_t i = 0; i < parts_[p].paths.size(); ++i, ++index) {
        if (parts_[p].paths[i].empty() && !adopt(parts_[p], i, index)) missing.push_back({p, i, index});
      }
    }
    return missing;
  }

  bool adopt(PresentPart& present, std::size_t i, std::size_t index) {
    const PlannedFile& f = present.plan.files[i];
    for (const Found& found : caches_.candidates(present.plan.part, f.file)) {
      Digest digest = f.digest.known() ? f.digest : digest_by_name(present.plan, f.file.path, found.path);
      if (!digest.known() || !is_right(found.path, digest, f.file.path, index)) continue;
      // The hub names small files by git's hash.
      if (f.file.bytes < kSmall && digest.kind == DigestKind::sha256) digest = digest_of_file(found.path, DigestKind::git_sha1);
      const Placement placement = layout_->placement_of(present.plan.part, present.plan.commit, f.file.path, digest);
      adopt_file(found.path, placement);
      layout_->publish(present.plan.part, present.plan.commit, f.file.path, placement);
      present.paths[i] = present.folder / f.file.path;
      return true;
    }
    return false;
  }

  // Of a file in the snapshot of the very commit, whose blob is named by its hash.
  [[nodiscard]] static Digest digest_by_name(const PlannedPart& plan, const std::string& file, const fs::path& found) {
    std::error_code ignored;
    const fs::path real = fs::canonical(found, ignored);
    const bool of_commit = !plan.commit.empty() && found.string().ends_with("snapshots/" + plan.commit + "/" + file);
    return of_commit && real.parent_path().filename() == "blobs" ? digest_of_etag(real.filename().string()) : Digest{};
  }

  [[noreturn]] void fail_offline(const std::vector<Missing>& missing) const {
    std::uint64_t bytes = 0;
    for (const Missing& m : missing) bytes += parts_[m.part].plan.files[m.file].file.bytes;
    fail(ErrorCode::not_found, name_, ": ", missing.size(), missing.size() == 1 ? " file (" : " files (", decimal_bytes(bytes),
         missing.size() == 1 ? ") is" : ") are",
         " missing or damaged, and the network is not to be used (--offline, HF_HUB_OFFLINE); allow it, or take a bundle with "
         "--from-bundle");
  }

  [[nodiscard]] Transfer transfer_of(const Missing& m) const {
    const PresentPart& present = parts_[m.part];
    const PlannedFile& f = present.plan.files[m.file];
    const Part& part = present.plan.part;
    Transfer transfer;
    if (part.source == Source::hub) {
      transfer = Repository(caches_.places(), part.repository, present.plan.commit).transfer(f.file.path);
    } else {
      const std::string& mirror = caches_.places().mirror;
      transfer.file = f.file.path;
      transfer.url = mirror.empty() ? part.url : mirror + "/" + escape(f.file.path, true);
    }
    transfer.bytes = f.file.bytes;
    transfer.digest = f.digest;
    transfer.place = [this, &present, &f](const Resolved& r) {
      return layout_->placement_of(present.plan.part, present.plan.commit, f.file.path, r.digest);
    };
    return transfer;
  }

  void check_rooms(const std::vector<Missing>& missing) const {
    std::map<fs::path, std::uint64_t> needed;  // by base folder
    for (const Missing& m : missing) {
      const PresentPart& p = parts_[m.part];
      const PlannedFile& f = p.plan.files[m.file];
      if (!f.digest.known()) continue;
      const Placement placement = layout_->placement_of(p.plan.part, p.plan.commit, f.file.path, f.digest);
      std::error_code error;
      const std::uint64_t there = fs::file_size(placement.partial, error);
      needed[p.folder] += f.file.bytes - (error ? 0 : std::min(there, f.file.bytes));
    }
    for (const auto& [folder, bytes] : needed) check_room(folder, bytes);
  }

  void fetch_all(std::vector<Missing> missing, PullReport& report) {
    if (missing.empty()) return;
    check_rooms(missing);
    // Small files first, so that folders can be looked at early; then the largest, so that none is left alone at the end.
    const auto size = [&](const Missing& m) { return parts_[m.part].plan.files[m.file].file.bytes; };
    std::stable_sort(missing.begin(), missing.end(), [&](const Missing& a, const Missing& b) {
      const bool small_a = size(a) < kSmall, small_b = size(b) < kSmall;
      return small_a != small_b ? small_a : !small_a && size(a) > size(b);
    });
    std::vector<Transfer> transfers;
    std::vector<std::uint64_t> sizes;
    for (const PresentPart& p : parts_) {
      for (const PlannedFile& f : p.plan.files) sizes.push_back(f.file.bytes);
    }
    meter_.begin("fetching", sizes);
    for (std::size_t p = 0, index = 0; p < parts_.size(); ++p) {
      for (const fs::path& path : parts_[p].paths) {
        if (!path.empty()) meter_.finished(index);
        ++index;
      }
    }
    for (const Missing& m : missing) transfers.push_back(transfer_of(m));
    TransferObserver watch;
    watch.progress = [&](std::size_t i, std::uint64_t bytes) { meter_.at(missing[i].index, bytes, transfers[i].file); };
    watch.finished = [&](std::size_t i, const Transferred& got) {
      meter_.finished(missing[i].index);
      arrived(missing[i], got, report);
    };
    watch.waiting = [&](const std::string& why) { meter_.waiting(why); };
    watch.tick = [&] { meter_.tick(); };
    watch.cancelled = [&] { return observer_.cancelled && observer_.cancelled(); };
    run_transfers(transfers, transfer_options(caches_.places(), settings_.parallel), watch);
  }

  void arrived(const Missing& m, const Transferred& got, PullReport& report) {
    PresentPart& present = parts_[m.part];
    PlannedFile& f = present.plan.files[m.file];
    const Placement placement = layout_->placement_of(present.plan.part, present.plan.commit, f.file.path, got.resolved.digest);
    layout_->publish(present.plan.part, present.plan.commit, f.file.path, placement);
    present.paths[m.file] = present.folder / f.file.path;
    f.file.bytes = got.resolved.bytes;
    report.fetched_bytes += got.fetched_bytes;
    report.fetched_files += got.fetched_bytes > 0 ? 1 : 0;
  }

  static void describe(const PresentPart& present, PullReport& report) {
    for (std::size_t i = 0; i < present.paths.size(); ++i) {
      std::error_code ignored;
      const std::uint64_t bytes = fs::file_size(present.paths[i], ignored);
      report.files.push_back({present.plan.files[i].file.path, present.plan.part.repository, bytes, present.paths[i]});
      report.bytes += bytes;
    }
  }

  Caches caches_;
  const ModelSettings& settings_;
  const PullObserver& observer_;
  Meter meter_;
  std::string name_;
  std::vector<PlannedPart> plans_;
  std::optional<Layout> layout_;
  std::vector<PresentPart> parts_;
  std::set<fs::path> verified_;
  std::size_t first_index_ = 0;  // of the part that stock is taken of, among all files
};

}  // namespace

PullReport pull(const std::string& name, const Places& places, const ModelSettings& settings, const PullObserver& observer) {
  Puller puller(places, settings, observer);
  puller.take_stock(name);
  return puller.fetch();
}

std::vector<PresentPart> present_parts(const std::string& name, const Places& places, const ModelSettings& settings,
                                       const PullObserver& observer) {
  ModelSettings here = settings;
  here.offline = true;
  Puller puller(places, here, observer);
  puller.take_stock(name);
  const auto [files, bytes] = puller.missing();
  if (files > 0) {
    fail(ErrorCode::not_found, name, " is not complete on this machine (", files, files == 1 ? " file is" : " files are",
         " missing); get it with: espalier pull ", name, " (", decimal_bytes(bytes), ")");
  }
  return std::move(puller.parts());
}

}  // namespace espalier::hub
