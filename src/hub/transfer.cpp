#include "hub/transfer.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/error.h"
#include "hub/transfer_job.h"

namespace espalier::hub {

namespace {

constexpr int kPollMilliseconds = 50;

class Engine {
 public:
  Engine(const std::vector<Transfer>& transfers, const TransferOptions& options, const TransferObserver& observer)
      : options_(options), observer_(observer), multi_(curl_multi_init()) {
    if (multi_ == nullptr) fail(ErrorCode::out_of_memory, "libcurl cannot start transfers", hint("close other programs"));
    for (std::size_t i = 0; i < transfers.size(); ++i)
      jobs_.push_back(std::make_unique<TransferJob>(i, transfers[i], options_, observer_));
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() {
    for (const Active& a : active_) curl_multi_remove_handle(multi_, a.handle);
    curl_multi_cleanup(multi_);
  }

  std::vector<Transferred> run() {
    while (start_some()) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      take_ended();
      curl_multi_poll(multi_, nullptr, 0, kPollMilliseconds, nullptr);
      tick();
    }
    std::vector<Transferred> results;
    for (const auto& job : jobs_) results.push_back(job->take());
    return results;
  }

 private:
  struct Active {
    TransferJob* job;
    CURL* handle;
  };

  // Fills the places that are free, in order. False when all are done.
  bool start_some() {
    bool left = false;
    for (const auto& job : jobs_) {
      if (job->done()) continue;
      left = true;
      if (active_.size() >= static_cast<std::size_t>(options_.parallel)) break;
      if (std::any_of(active_.begin(), active_.end(), [&](const Active& a) { return a.job == job.get(); })) continue;
      if (HttpTransfer* const http = job->start()) {
        curl_multi_add_handle(multi_, http->handle());
        active_.push_back({job.get(), http->handle()});
      }
    }
    return left;
  }

  void take_ended() {
    int queued = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi_, &queued)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* const handle = message->easy_handle;
      const CURLcode code = message->data.result;
      const auto found = std::find_if(active_.begin(), active_.end(), [&](const Active& a) { return a.handle == handle; });
      TransferJob& job = *found->job;
      active_.erase(found);
      curl_multi_remove_handle(multi_, handle);
      job.ended(code);
    }
  }

  void tick() {
    if (observer_.tick) observer_.tick();
    if (observer_.cancelled && observer_.cancelled()) fail(ErrorCode::cancelled, "cancelled on request");
  }

  const TransferOptions& options_;
  const TransferObserver& observer_;
  CURLM* multi_;
  std::vector<std::unique_ptr<TransferJob>> jobs_;
  std::vector<Active> active_;
};

}  // namespace

std::vector<Transferred> run_transfers(const std::vector<Transfer>& transfers, const TransferOptions& options,
                                       const TransferObserver& observer) {
  if (transfers.empty()) return {};
  return Engine(transfers, options, observer).run();
}

}  // namespace espalier::hub
