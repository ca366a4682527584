#include "hub/pull.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.h"
#include "hub/meter.h"
#include "hub/repository.h"
#include "hub/transfer.h"

namespace espalier::hub {

namespace fs = std::filesystem;

void check_room(const fs::path& folder, std::uint64_t bytes) {
  fs::path existing = folder;
  std::error_code ignored;
  while (!fs::exists(existing, ignored) && existing.has_relative_path()) existing = existing.parent_path();
  struct statvfs disk {};
  if (existing.empty() || ::statvfs(existing.c_str(), &disk) != 0) return;  // whoever writes will see
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (free >= bytes) return;
  fail(ErrorCode::io, existing.string(), " has room for ", decimal_bytes(free), ", but ", decimal_bytes(bytes), " are to come",
       hint("free some space, or choose a folder on another disk with --to or HF_HOME"));
}

namespace {

constexpr std::uint64_t kSmall = std::uint64_t{1} << 20U;

class Puller {
 public:
  Puller(const std::string& name, const Paths& paths, const ModelSettings& settings, const PullObserver& observer)
      : name_(name), settings_(settings), observer_(observer), meter_(observer), stock_(paths, settings, observer, meter_) {
    stock_.take(name);
  }

  // Brings everything else that can be had without a network into its place, then fetches the rest.
  PullReport fetch() {
    const auto start = std::chrono::steady_clock::now();
    std::vector<MissingFile> missing = stock_.adopt_what_is_elsewhere();
    const auto first_optional = std::stable_partition(
        missing.begin(), missing.end(), [&](const MissingFile& m) { return !stock_.parts()[m.part].plan.optional; });
    const std::vector<MissingFile> optional(first_optional, missing.end());
    missing.erase(first_optional, missing.end());
    if (!missing.empty() && stock_.offline()) fail_offline(missing);
    PullReport report;
    report.name = name_;
    fetch_all(missing, report);
    fetch_optional(optional, report);
    for (const PresentPart& p : stock_.parts()) {
      stock_.layout().tidy(p.plan.part);
      if (p.folder == stock_.layout().folder_of(p.plan.part, p.plan.commit))
        stock_.layout().note_revision(p.plan.part, p.plan.requested, p.plan.commit);
      describe(p, report);
    }
    report.folder = stock_.parts().front().folder;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
  }

 private:
  [[noreturn]] void fail_offline(const std::vector<MissingFile>& missing) const {
    std::uint64_t bytes = 0;
    for (const MissingFile& m : missing) bytes += stock_.parts()[m.part].plan.files[m.file].file.bytes;
    fail(ErrorCode::not_found, name_, ": ", missing.size(), missing.size() == 1 ? " file (" : " files (", decimal_bytes(bytes),
         missing.size() == 1 ? ") is" : ") are",
         " missing or damaged, and the network is not to be used (--offline, HF_HUB_OFFLINE)",
         hint("allow it, or take a bundle with --from-bundle"));
  }

  [[nodiscard]] Transfer transfer_of(const MissingFile& m) const {
    const PresentPart& present = stock_.parts()[m.part];
    const PlannedFile& f = present.plan.files[m.file];
    const Part& part = present.plan.part;
    Transfer transfer;
    if (part.source == Source::hub) {
      transfer = Repository(stock_.paths(), part.repository, present.plan.commit).transfer(f.file.path);
    } else {
      const std::string& mirror = stock_.paths().mirror;
      transfer.file = f.file.path;
      transfer.url = mirror.empty() ? part.url : mirror + "/" + escape(f.file.path, true);
    }
    transfer.bytes = f.file.bytes;
    transfer.digest = f.digest;
    transfer.place = [this, &present, &f](const Resolved& r) {
      return stock_.layout().placement_of(present.plan.part, present.plan.commit, f.file.path, r.digest);
    };
    return transfer;
  }

  void check_rooms(const std::vector<MissingFile>& missing) const {
    std::map<fs::path, std::uint64_t> needed;  // by base folder
    for (const MissingFile& m : missing) {
      const PresentPart& p = stock_.parts()[m.part];
      const PlannedFile& f = p.plan.files[m.file];
      if (!f.digest.known()) continue;
      const Placement placement = stock_.layout().placement_of(p.plan.part, p.plan.commit, f.file.path, f.digest);
      std::error_code error;
      const std::uint64_t there = fs::file_size(placement.partial, error);
      needed[p.folder] += f.file.bytes - (error ? 0 : std::min(there, f.file.bytes));
    }
    for (const auto& [folder, bytes] : needed) check_room(folder, bytes);
  }

  void fetch_optional(const std::vector<MissingFile>& missing, PullReport& report) {
    try {
      if (!missing.empty() && stock_.offline()) fail_offline(missing);
      fetch_all(missing, report);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled || !observer_.message) throw;
      observer_.message(str(name_, " is here, but not its image encoder: ", error.what()));
    }
  }

  void fetch_all(std::vector<MissingFile> missing, PullReport& report) {
    if (missing.empty()) return;
    check_rooms(missing);
    // Small files first, so that folders can be looked at early; then the largest, so that none is left alone at the end.
    const auto size = [&](const MissingFile& m) { return stock_.parts()[m.part].plan.files[m.file].file.bytes; };
    std::stable_sort(missing.begin(), missing.end(), [&](const MissingFile& a, const MissingFile& b) {
      const bool small_a = size(a) < kSmall, small_b = size(b) < kSmall;
      return small_a != small_b ? small_a : !small_a && size(a) > size(b);
    });
    std::vector<Transfer> transfers;
    meter_.begin("fetching", stock_.sizes());
    for (std::size_t p = 0, index = 0; p < stock_.parts().size(); ++p) {
      for (const fs::path& path : stock_.parts()[p].paths) {
        if (!path.empty()) meter_.finished(index);
        ++index;
      }
    }
    for (const MissingFile& m : missing) transfers.push_back(transfer_of(m));
    TransferObserver watch;
    watch.progress = [&](std::size_t i, std::uint64_t bytes) { meter_.at(missing[i].index, bytes, transfers[i].file); };
    watch.finished = [&](std::size_t i, const Transferred& got) {
      meter_.finished(missing[i].index);
      arrived(missing[i], got, report);
    };
    watch.waiting = [&](const std::string& why) { meter_.waiting(why); };
    watch.tick = [&] { meter_.tick(); };
    watch.cancelled = [&] { return observer_.cancelled && observer_.cancelled(); };
    run_transfers(transfers, transfer_options(stock_.paths(), settings_.parallel), watch);
  }

  void arrived(const MissingFile& m, const Transferred& got, PullReport& report) {
    PresentPart& present = stock_.parts()[m.part];
    PlannedFile& f = present.plan.files[m.file];
    const Placement placement =
        stock_.layout().placement_of(present.plan.part, present.plan.commit, f.file.path, got.resolved.digest);
    stock_.layout().publish(present.plan.part, present.plan.commit, f.file.path, placement);
    present.paths[m.file] = present.folder / f.file.path;
    f.file.bytes = got.resolved.bytes;
    report.fetched_bytes += got.fetched_bytes;
    report.fetched_files += got.fetched_bytes > 0 ? 1 : 0;
  }

  static void describe(const PresentPart& present, PullReport& report) {
    for (std::size_t i = 0; i < present.paths.size(); ++i) {
      if (present.paths[i].empty()) continue;
      std::error_code ignored;
      const std::uint64_t bytes = fs::file_size(present.paths[i], ignored);
      report.files.push_back({present.plan.files[i].file.path, present.plan.part.repository, bytes, present.paths[i]});
      report.bytes += bytes;
    }
  }

  std::string name_;
  const ModelSettings& settings_;
  const PullObserver& observer_;
  Meter meter_;
  Stock stock_;
};

}  // namespace

PullReport pull(const std::string& name, const Paths& paths, const ModelSettings& settings, const PullObserver& observer) {
  return Puller(name, paths, settings, observer).fetch();
}

std::vector<PresentPart> present_parts(const std::string& name, const Paths& paths, const ModelSettings& settings,
                                       const PullObserver& observer) {
  ModelSettings here = settings;
  here.offline = true;
  Meter meter(observer);
  Stock stock(paths, here, observer, meter);
  stock.take(name);
  const auto [files, bytes] = stock.missing();
  if (files > 0) {
    fail(ErrorCode::not_found, name, " is not complete on this machine (", files, files == 1 ? " file is" : " files are",
         " missing)", hint("get it with: espalier pull ", name, " (", decimal_bytes(bytes), ")"));
  }
  std::vector<PresentPart> parts = std::move(stock.parts());
  std::erase_if(parts, [](const PresentPart& p) {
    return p.plan.optional && std::any_of(p.paths.begin(), p.paths.end(), [](const fs::path& path) { return path.empty(); });
  });
  return parts;
}

}  // namespace espalier::hub
