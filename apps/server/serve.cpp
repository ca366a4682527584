#include "serve.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "api_keys.h"
#include "job_watch.h"
#include "keeper.h"
#include "routes.h"
#include "webhooks.h"

namespace espalier::server {
namespace {

void check(const ServeOptions& o) {
  if (!o.webhook_hosts.empty() && o.webhook_secret.empty()) {
    throw Error(ErrorCode::invalid_argument, "--webhook-host: there is no key to sign webhooks with",
                "set one with --webhook-secret-file, or ESPALIER_WEBHOOK_SECRET");
  }
  if (is_loopback(o.host) || !o.api_key.empty() || !o.keys.empty() || o.no_auth) return;
  throw Error(ErrorCode::invalid_argument, "--host " + o.host + " can be reached from other machines",
              "set a key with --api-key (or "
              "ESPALIER_API_KEY), or say --no-auth to let everybody in");
}

// Every connection takes a descriptor, every file that is sent another; some are needed for everything else. Returns how many
// connections that leaves room for.
int raise_file_limit(int wanted) {
  constexpr rlim_t kOthers = 32, kMost = 4096;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  if (limit.rlim_cur < kMost) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kMost);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= kOthers + 2 * static_cast<rlim_t>(wanted)) return wanted;
  return limit.rlim_cur > kOthers + 8 ? static_cast<int>((limit.rlim_cur - kOthers) / 2) : 4;
}

HttpServerOptions http_options(const ServeOptions& o) {
  HttpServerOptions http;
  http.host = o.host;
  http.port = o.port;
  http.limits.client_seconds = o.client_seconds;
  http.headers = {{"X-Content-Type-Options", "nosniff"},
                  {"Referrer-Policy", "no-referrer"},
                  {"X-Frame-Options", "DENY"},
                  {"Server", "Espalier"}};
  if (o.allowed_origins.empty()) http.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  return http;
}

std::string address(const ServeOptions& o, int port) {
  const std::string host = o.host.find(':') == std::string::npos ? o.host : "[" + o.host + "]";
  return "http://" + host + ":" + std::to_string(port);
}

// In one piece, so that lines of several threads do not mix.
void write_log(const std::string& line) {
  const std::string whole = line + "\n";
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

}  // namespace

bool is_loopback(const std::string& host) {
  const bool ipv4 = host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
  return ipv4 || host == "localhost" || host == "::1";
}

std::filesystem::path default_data_folder(const std::string& data_home, const std::string& home) {
  if (data_home.starts_with('/')) return std::filesystem::path(data_home) / "espalier";
  if (!home.empty()) return std::filesystem::path(home) / ".local/share/espalier";
  throw Error(ErrorCode::not_found, "there is no home folder to keep jobs in", "name a folder with --data");
}

void serve(const ServeOptions& options, const std::function<bool()>& stopped,
           const std::function<void(const std::string&)>& report, const std::function<void(const std::string&)>& warn_people) {
  check(options);
  const bool as_json = options.log == LogFormat::json;
  const auto warn = [&](const std::string& text) { as_json ? write_log(log_line("warning", text)) : warn_people(text); };
  HttpServerOptions http_settings = http_options(options);
  if (const int fitting = raise_file_limit(http_settings.connections); fitting < http_settings.connections) {
    warn("only " + std::to_string(fitting) +
         " clients can be served at a time, because the limit of open files is low; raise it (ulimit -n)");
    http_settings.connections = fitting;
  }
  keep_heaps_small();
  EventHub hub;
  Metrics metrics;
  const bool fleet = !options.queue.empty();
  ServeOptions own = options;
  if (fleet || !options.workers.empty()) own.pipeline.device = "cpu";  // this process opens no GPU, not for previews either
  const std::unique_ptr<Keeper> keeper =
      fleet ? keep_in_fleet(own, hub, metrics, warn) : keep_here(options, own, hub, metrics, warn);
  // What a worker of a fleet does is in its own log, once.
  JobWatch watch(metrics, as_json && !fleet ? write_log : std::function<void(const std::string&)>());
  Webhooks webhooks({options.webhook_hosts, options.webhook_private, options.webhook_secret, options.webhook_retry_seconds},
                    keeper->book(), warn);
  hub.watch([&](const std::string& job, const Event& event) {
    if (!fleet || event.name != "progress") watch.see(job, event);
    if (event.last) webhooks.wake();
  });
  std::optional<ApiKeys> keys;
  if (!options.keys.empty()) keys.emplace(options.keys, warn);
  const auto audit = [](const Json& line) { write_log(log_members("request", line)); };
  Routes routes(own, webhooks.rules(), keeper->book(), keeper->control(), hub, metrics, keys ? &*keys : nullptr,
                as_json ? audit : Routes::Audit());
  HttpServer http(
      http_settings, [&](HttpRequest& request) { return routes.respond(request); },
      [&](const RequestHead&, int status) {
        ++metrics.requests[static_cast<std::size_t>(status / 100) % metrics.requests.size()];
      });
  http.start();
  report(address(options, http.port()));
  if (as_json) write_log(log_line("listening", address(options, http.port())));
  keeper->start();
  webhooks.start();
  while (!stopped() && !keeper->failure()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  keeper->interrupt();  // first: a handler may take longer than whoever stops the server is patient
  hub.close();
  http.stop();
  webhooks.stop();
  keeper->stop();
  if (as_json) write_log(log_line("stopped", "jobs that have not ended wait for the next start"));
  if (keeper->failure()) std::rethrow_exception(keeper->failure());
}

}  // namespace espalier::server
