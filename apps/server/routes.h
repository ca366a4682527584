// The addresses of the HTTP API and of the page. What they mean is in openapi.json.
#pragma once

#include <atomic>

#include "decode_gate.h"
#include "event_hub.h"
#include "guard.h"
#include "http_server.h"
#include "job_runner.h"
#include "job_store.h"
#include "metrics.h"
#include "page.h"
#include "uploads.h"

namespace espalier::server {

class Routes {
 public:
  Routes(const ServeOptions& options, JobStore& store, JobRunner& runner, EventHub& hub, Metrics& metrics);

  [[nodiscard]] Response respond(HttpRequest& request);

 private:
  [[nodiscard]] Response route(HttpRequest& request, const std::string& method);
  [[nodiscard]] Response route_jobs(HttpRequest& request, const std::string& method);
  [[nodiscard]] Response health() const;
  [[nodiscard]] Response models() const;
  [[nodiscard]] Response storage();
  [[nodiscard]] Response metrics_page();
  [[nodiscard]] Response preprocess(HttpRequest& request);
  [[nodiscard]] Response add_job(HttpRequest& request);
  [[nodiscard]] Response add_export(HttpRequest& request, const std::string& id);
  [[nodiscard]] Response list_jobs(const RequestHead& head);
  struct ListRequest {
    JobFilter filter;
    std::int64_t below = INT64_MAX;
    int limit = 50;
  };
  [[nodiscard]] ListRequest list_request(const RequestHead& head);
  [[nodiscard]] Response change_job(HttpRequest& request, const std::string& id);
  [[nodiscard]] Response remove_job(const std::string& id);
  [[nodiscard]] Response events(const std::string& id);
  [[nodiscard]] Response send_file(const RequestHead& head, const std::string& id, const std::string& name);
  [[nodiscard]] Job known_job(const std::string& id);
  [[nodiscard]] Json job_json(const std::string& id);
  [[nodiscard]] Response accepted(const std::string& id);
  void refuse_when_full();
  static void check_sources(const Upload& upload, const Options& options, const ModelFacts& model);
  // Checks what was sent, and lists it as files of the job.
  void check_uploads(HttpRequest& request, Upload& upload, Job& job);
  [[nodiscard]] JobFile checked_image(Upload& upload, std::size_t index, const std::function<bool()>& left);
  void stream_events(const std::string& id, const Sink& sink);

  const ServeOptions& options_;
  GuardRules rules_;
  JobStore& store_;
  JobRunner& runner_;
  EventHub& hub_;
  Metrics& metrics_;
  Page page_;
  DecodeGate gate_;
  std::atomic<int> streams_{0};
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace espalier::server
