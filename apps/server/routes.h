// The addresses of the HTTP API and of the page. What they mean is in openapi.json.
#pragma once

#include <atomic>

#include "decode_gate.h"
#include "event_hub.h"
#include "generations.h"
#include "guard.h"
#include "http_server.h"
#include "job_control.h"
#include "job_json.h"
#include "job_store.h"
#include "metrics.h"
#include "page.h"
#include "uploads.h"
#include "webhook_sender.h"

namespace espalier::server {

class Routes {
 public:
  // Is told the inside of a line of the log.
  using Audit = std::function<void(Json line)>;

  // `keys`: of people; null: there are none. What they change goes to `audit`, if there is one.
  Routes(const ServeOptions& options, WebhookRules webhooks, JobBook& store, JobControl& runner, EventHub& hub,
         Metrics& metrics, ApiKeys* keys, Audit audit);

  [[nodiscard]] Response respond(HttpRequest& request);

 private:
  [[nodiscard]] Response route(HttpRequest& request, const std::string& method);
  [[nodiscard]] Response route_jobs(HttpRequest& request, const std::string& method);
  [[nodiscard]] Response health() const;
  [[nodiscard]] Response models() const;
  [[nodiscard]] Response storage();
  [[nodiscard]] Response metrics_page();
  void add_workers(MetricsText& text) const;
  void add_gpus(MetricsText& text) const;
  [[nodiscard]] Response preprocess(HttpRequest& request);
  [[nodiscard]] Response add_job(HttpRequest& request);
  // The id of the new job, or of the one that the same request to `address` has made already.
  [[nodiscard]] std::string make_job(HttpRequest& request, Upload& upload, const std::string& address);
  [[nodiscard]] Response add_export(HttpRequest& request, const std::string& id);
  // A job whose asset is the answer (routes_generations.cpp).
  [[nodiscard]] Response generate(HttpRequest& request);
  [[nodiscard]] Job ended_job(HttpRequest& request, const std::string& id);
  [[nodiscard]] Response answer_of(const RequestHead& head, const Job& job, const Generation& wanted) const;
  [[nodiscard]] Response list_jobs(const RequestHead& head, const Caller& caller);
  struct ListRequest {
    JobFilter filter;
    std::int64_t below = INT64_MAX;
    int limit = 50;
  };
  [[nodiscard]] ListRequest list_request(const RequestHead& head, const Caller& caller);
  void check_owner(const Caller& caller, const std::string& id);
  [[nodiscard]] Allowance allowance_of(const Caller& caller) const;
  void check_priority(const Caller& caller, const std::string& priority) const;
  void audit(const HttpRequest& request, int status) const;
  [[nodiscard]] Response queue(const RequestHead& head, const Caller& caller);
  [[nodiscard]] Response change_queue(HttpRequest& request);
  [[nodiscard]] Response change_job(HttpRequest& request, const std::string& id);
  [[nodiscard]] Response remove_job(const std::string& id);
  // Several jobs at once (routes_several.cpp).
  [[nodiscard]] Response remove_jobs(HttpRequest& request);
  [[nodiscard]] Response archive_job(HttpRequest& request, const std::string& id);
  [[nodiscard]] Response archive_jobs(HttpRequest& request);
  [[nodiscard]] Response archive_of(HttpRequest& request, const std::vector<Job>& jobs, const std::string& content);
  [[nodiscard]] Response events(const RequestHead& head, const std::string& id);
  [[nodiscard]] std::optional<std::uint64_t> last_event_of(const RequestHead& head) const;
  [[nodiscard]] Response send_file(const RequestHead& head, const std::string& id, const std::string& name);
  [[nodiscard]] Job known_job(const std::string& id);
  [[nodiscard]] Json job_json(const std::string& id);
  [[nodiscard]] Response accepted(const std::string& id);
  [[nodiscard]] Job job_with_asset(const std::string& id);
  // Checks the images that were sent, and lists them as files of the job.
  void check_uploads(HttpRequest& request, Upload& upload, Job& job);
  // Moves what else was sent into the job's folder, checks it there, and lists it.
  void keep_sources(HttpRequest& request, Upload& upload, Job& job);
  void keep_asset_of(const Job& parent, Job& job);
  [[nodiscard]] JobFile checked_image(Upload& upload, std::size_t index, const std::function<bool()>& left);
  void stream_events(const std::string& id, EventHub::Listener& listener, const Sink& sink);

  const ServeOptions& options_;
  GuardRules rules_;
  Audit audit_;
  WebhookRules webhooks_;
  JobBook& store_;
  JobControl& runner_;
  EventHub& hub_;
  Metrics& metrics_;
  Page page_;
  DecodeGate gate_;
  std::atomic<int> streams_{0}, generations_{0}, archives_{0};       // that are open
  const std::string stream_name_ = JobStore::new_id().substr(0, 8);  // begins the ids of this process's events
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace espalier::server
