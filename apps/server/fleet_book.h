// The side of a fleet that takes requests: records in Redis, files in the store of the fleet. Any number of servers have the
// same jobs; none keeps anything that another one misses.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fleet_files.h"
#include "fleet_record.h"
#include "job_book.h"
#include "redis.h"

namespace espalier::server {

class FleetBook : public JobBook {
 public:
  // `folder`: of this server alone, for files on their way in.
  FleetBook(std::filesystem::path folder, Redis& redis, FleetFiles& files);
  ~FleetBook() override;

  [[nodiscard]] std::optional<StorageError> trouble() const override;
  [[nodiscard]] std::filesystem::path folder_of(const std::string& id) const override { return folder_ / "new" / id; }
  [[nodiscard]] std::filesystem::path path_of(const std::string& id, const JobFile& file) override;
  [[nodiscard]] std::filesystem::path incoming() const override { return folder_ / "incoming"; }
  [[nodiscard]] bool has_priorities() const override { return true; }
  std::string add(const Job& job, int max_queue, const RequestKey& request, const Allowance& allowance) override;
  void refuse_when_full(int max_queue) override;
  [[nodiscard]] std::optional<std::string> made_by(const RequestKey& request) override;
  [[nodiscard]] std::optional<Job> find(const std::string& id) override;
  [[nodiscard]] std::string owner(const std::string& id) override;
  [[nodiscard]] std::vector<Job> list(const JobFilter& filter, int limit, std::int64_t below) override;
  [[nodiscard]] std::map<JobState, std::int64_t> counts() override;
  [[nodiscard]] std::uint64_t bytes() override;
  [[nodiscard]] double oldest_wait() override;
  [[nodiscard]] bool paused() override;
  void pause(bool paused) override;
  [[nodiscard]] std::vector<Job> queue(int limit, const std::string& owner) override;
  bool change(const std::string& id, const JobChange& change) override;
  bool remove(const std::string& id) override;
  [[nodiscard]] std::optional<WebhookDue> next_webhook(const std::set<std::string>& taken, std::int64_t now,
                                                       std::int64_t longest) override;
  void note_webhook(const std::string& id, const JobWebhook& state) override;

  // Those of the ids that there are, in the same order.
  [[nodiscard]] std::vector<Job> read(const std::vector<std::string>& ids);
  // Removes what ended more than `days` ago, and the oldest while all are larger than `bytes` (0: no limit), and files of jobs
  // that are gone. One server of the fleet at a time does it.
  void remove_unwanted(double days, std::uint64_t bytes);

 private:
  void lock_folder();
  // The answer of the script: added, earlier, ...; asked again while Redis does not answer for a moment.
  [[nodiscard]] RedisReply record(const Job& job, int max_queue, const RequestKey& request, const Allowance& allowance);
  [[nodiscard]] std::string remove_record(const std::string& id, bool unless_pinned);
  void empty_trash();

  const std::filesystem::path folder_;
  int lock_ = -1;
  Redis& redis_;
  FleetFiles& files_;
};

}  // namespace espalier::server
