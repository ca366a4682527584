#include "fleet_files.h"

#include <fcntl.h>
#include <unistd.h>

#include "fleet_bucket.h"
#include "job_store.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

class FolderFiles : public FleetFiles {
 public:
  explicit FolderFiles(fs::path root) : root_(std::move(root)) {
    guarded([&] { fs::create_directories(root_); });
    check();
  }

  void put(const std::string& name, const fs::path& from) override {
    guarded([&] {
      const fs::path place = root_ / name;
      fs::create_directories(place.parent_path());
      const fs::path part = place.parent_path() / (".espalier-" + JobStore::new_id() + ".part");
      fs::copy_file(from, part);
      flush(part);
      fs::rename(part, place);
    });
  }
  [[nodiscard]] fs::path get(const std::string& name) override {
    fs::path place = root_ / name;
    std::error_code error;
    const auto status = fs::status(place, error);
    if (fs::is_regular_file(status)) return place;
    guarded([&] { (void)fs::directory_iterator(root_); });  // is the folder there at all?
    throw FileMissing(name);
  }
  void remove(const std::string& name) override {
    guarded([&] { fs::remove(root_ / name); });
  }
  void remove_all(const std::string& folder) override {
    guarded([&] { fs::remove_all(root_ / folder); });
  }
  void check() override {
    guarded([&] {
      const fs::path mark = root_ / (".espalier-" + JobStore::new_id() + ".part");
      flush(mark, O_CREAT | O_EXCL);
      fs::remove(mark);
    });
  }

 private:
  static void flush(const fs::path& path, int flags = 0) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600);
    const bool good = fd >= 0 && ::fsync(fd) == 0;
    const int why = errno;
    if (fd >= 0) ::close(fd);
    if (!good) throw fs::filesystem_error("flush", path, std::error_code(why, std::generic_category()));
  }
  template <class Work>
  void guarded(Work work) const {
    try {
      work();
    } catch (const fs::filesystem_error& error) {
      throw FleetError("the folder of results cannot be used",
                       "the folder of results " + root_.string() + " cannot be used: " + error.code().message(),
                       "check --results, and that the folder is mounted and can be written");
    }
  }

  fs::path root_;
};

}  // namespace

std::unique_ptr<FleetFiles> open_fleet_files(const FleetFilesOptions& options) {
  if (is_bucket_address(options.results)) return open_bucket(options);
  if (options.results.empty() || options.results.find("://") != std::string::npos) {
    throw Error(ErrorCode::invalid_argument, "--results names neither a folder nor s3://BUCKET/PREFIX",
                "name the folder that all machines of the fleet share, or a bucket");
  }
  return std::make_unique<FolderFiles>(fs::absolute(options.results));
}

}  // namespace espalier::server
