// Tells others that jobs have ended: again and again with longer pauses until they take it, also after a restart.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "job_book.h"
#include "webhook_sender.h"

namespace espalier::server {

// Functions may be called from any thread.
class Webhooks {
 public:
  // `report` gets messages that are given up. Without hosts in the rules nothing is ever sent.
  Webhooks(WebhookRules rules, JobBook& store, std::function<void(const std::string&)> report);
  Webhooks(const Webhooks&) = delete;
  Webhooks& operator=(const Webhooks&) = delete;
  ~Webhooks();

  [[nodiscard]] const WebhookRules& rules() const { return rules_; }
  void start();
  // A job may have ended.
  void wake();
  // Ends what is being sent, which is sent again after the next start.
  void stop();

 private:
  void loop();
  // Waits until a message is due, and takes it; nothing at the end.
  [[nodiscard]] std::optional<WebhookDue> next();
  void deliver(const WebhookDue& due);
  [[nodiscard]] std::int64_t pause_after(int tries) const;

  const WebhookRules rules_;
  JobBook& store_;
  const std::function<void(const std::string&)> report_;
  std::vector<std::thread> threads_;  // so that one host that does not answer holds up no other
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> taken_;  // jobs whose message is being sent
  std::atomic<bool> stopping_{false};
};

}  // namespace espalier::server
