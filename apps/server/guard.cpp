#include "guard.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "api_keys.h"
#include "serve.h"

namespace espalier::server {
namespace {

// "[::1]:7860" without its port and brackets.
std::string host_name(const std::string& host) {
  if (host.starts_with('[')) return lower_case(host.substr(1, host.find(']') == std::string::npos ? 0 : host.find(']') - 1));
  return lower_case(host.substr(0, host.find(':')));
}

bool is_numeric(const std::string& name) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

bool is_of_this_machine(const std::string& name) {
  std::array<char, 256> own{};
  if (::gethostname(own.data(), own.size() - 1) != 0) return false;
  const std::string host = lower_case(own.data());
  return !host.empty() && (name == host || name == host + ".local");
}

std::string without_scheme(const std::string& origin) {
  const auto slashes = origin.find("://");
  return slashes == std::string::npos ? std::string() : origin.substr(slashes + 3);
}

bool needs_key(const RequestHead& head) {
  return !head.path.empty() && (head.path.front() == "v1" || head.path.front() == "metrics");
}

void check_host(const RequestHead& head, const GuardRules& rules) {
  const std::string host = head.header("host");
  const bool allowed = std::any_of(rules.allowed_origins.begin(), rules.allowed_origins.end(),
                                   [&](const std::string& origin) { return without_scheme(origin) == lower_case(host); });
  const std::string name = host_name(host);
  if (allowed || is_loopback(name)) return;
  // Whoever has the key is no foreign page; an address in numbers cannot be made to lead elsewhere.
  if (!rules.loopback && (rules.asks_for_key() || is_numeric(name) || is_of_this_machine(name))) return;
  throw HttpError(403, "forbidden", "this server does not answer to the name in the Host header",
                  "use an address in numbers or localhost, or name the page with --allow-origin");
}

void check_origin(const RequestHead& head, const GuardRules& rules) {
  if (!allowed_origin(head, rules).empty()) return;
  const std::string origin = head.header("origin");
  const std::string site = head.header("sec-fetch-site");
  const bool foreign_origin = head.headers.count("origin") != 0 && without_scheme(origin) != head.header("host");
  const bool foreign_site = needs_key(head) && !site.empty() && site != "same-origin" && site != "none";
  if (!foreign_origin && !foreign_site) return;
  throw HttpError(403, "forbidden", "a page of another server asks, and those are refused", "allow it with --allow-origin");
}

}  // namespace

bool equal_in_constant_time(const std::string& given, const std::string& wanted) {
  volatile unsigned char difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const char c = i < given.size() ? given[i] : '\0';
    difference = static_cast<unsigned char>(difference | static_cast<unsigned char>(c ^ wanted[i]));
  }
  return difference == 0;
}

std::string allowed_origin(const RequestHead& head, const GuardRules& rules) {
  const std::string origin = head.header("origin");
  const bool allowed =
      std::find(rules.allowed_origins.begin(), rules.allowed_origins.end(), origin) != rules.allowed_origins.end();
  return allowed ? origin : std::string();
}

Caller guard(const RequestHead& head, const GuardRules& rules) {
  check_host(head, rules);
  check_origin(head, rules);
  if (!rules.asks_for_key() || !needs_key(head)) return {};
  constexpr std::string_view kScheme = "bearer ";
  const std::string given = head.header("authorization");
  const bool bearer = lower_case(given.substr(0, kScheme.size())) == kScheme;
  const std::string key = bearer ? std::string(trimmed(given.substr(kScheme.size()))) : std::string();
  if (!key.empty() && !rules.api_key.empty() && equal_in_constant_time(key, rules.api_key)) return {};
  if (!key.empty() && rules.keys != nullptr) {
    if (auto caller = rules.keys->find(key)) return *std::move(caller);
  }
  throw HttpError(401, "unauthorized", given.empty() ? "this server asks for a key" : "the key is wrong",
                  "send the header Authorization: Bearer KEY");
}

}  // namespace espalier::server
