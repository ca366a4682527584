#include "webhook_sender.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <span>

#include "espalier/espalier.h"
#include "http_message.h"

namespace espalier::server {

namespace {

constexpr std::size_t kLongestUrl = 2048;
constexpr std::size_t kMostAnswer = 65536;
constexpr long kConnectSeconds = 5, kAllSeconds = 15;

struct Network {
  std::uint32_t address;
  int bits;
};
// Not of the public internet (IANA's registry of special addresses).
constexpr std::array<Network, 15> kSpecial{{{0x00000000, 8},
                                            {0x0A000000, 8},
                                            {0x64400000, 10},
                                            {0x7F000000, 8},
                                            {0xA9FE0000, 16},
                                            {0xAC100000, 12},
                                            {0xC0000000, 24},
                                            {0xC0000200, 24},
                                            {0xC0586300, 24},
                                            {0xC0A80000, 16},
                                            {0xC6120000, 15},
                                            {0xC6336400, 24},
                                            {0xCB007100, 24},
                                            {0xE0000000, 4},
                                            {0xF0000000, 4}}};

bool is_public_v4(std::uint32_t address) {
  return std::none_of(kSpecial.begin(), kSpecial.end(), [&](const Network& n) {
    const std::uint32_t mask = ~std::uint32_t{0} << (32 - n.bits);
    return (address & mask) == n.address;
  });
}

std::uint32_t v4_at(std::span<const std::uint8_t> bytes) {
  return std::uint32_t{bytes[0]} << 24U | std::uint32_t{bytes[1]} << 16U | std::uint32_t{bytes[2]} << 8U | bytes[3];
}

bool is_public_v6(std::span<const std::uint8_t, 16> b) {
  const auto begins = [&](std::initializer_list<std::uint8_t> bytes) {
    return std::equal(bytes.begin(), bytes.end(), b.begin());
  };
  if (begins({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF})) return is_public_v4(v4_at(b.subspan(12)));         // mapped
  if (begins({0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0})) return is_public_v4(v4_at(b.subspan(12)));      // translated
  if (begins({0x20, 0x02})) return is_public_v4(v4_at(b.subspan(2)));                                        // 6to4
  if (begins({0x20, 0x01, 0, 0}) || begins({0x20, 0x01, 0x0D, 0xB8}) || begins({0x3F, 0xFF})) return false;  // Teredo, examples
  return (b[0] & 0xE0U) == 0x20U;  // 2000::/3 is all that was given out
}

struct Url {
  Url() : handle(::curl_url()) {
    if (handle == nullptr) throw std::bad_alloc();
  }
  Url(const Url&) = delete;
  Url& operator=(const Url&) = delete;
  ~Url() { ::curl_url_cleanup(handle); }
  [[nodiscard]] std::string part(CURLUPart which, unsigned flags = 0) const {
    char* text = nullptr;
    if (::curl_url_get(handle, which, &text, flags) != CURLUE_OK) return {};
    std::string out = text;
    ::curl_free(text);
    return out;
  }
  CURLU* handle;
};

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw HttpError(400, "invalid_argument", "options: webhook " + what, hint);
}

// What is not public among addresses in numbers; false for names.
bool is_private_number(std::string host) {
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) return !is_public(reinterpret_cast<const sockaddr&>(v4));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  host = host.substr(0, host.find('%'));
  return ::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1 && !is_public(reinterpret_cast<const sockaddr&>(v6));
}

// What the callbacks of one transfer share.
struct Call {
  const WebhookRules& rules;
  const std::function<bool()>& stopped;
  std::size_t received = 0;
  bool kept_away = false;  // an address was refused

  static curl_socket_t open(void* self, curlsocktype purpose, curl_sockaddr* address) {
    Call& call = *static_cast<Call*>(self);
    if (purpose != CURLSOCKTYPE_IPCXN || (!call.rules.allow_private && !is_public(address->addr))) {
      call.kept_away = true;
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }
  static std::size_t take(char* /*bytes*/, std::size_t size, std::size_t count, void* self) {
    Call& call = *static_cast<Call*>(self);
    call.received += size * count;
    return call.received > kMostAnswer ? 0 : size * count;  // the status has come by then
  }
  static int watch(void* self, curl_off_t /*down*/, curl_off_t /*downloaded*/, curl_off_t /*up*/, curl_off_t /*uploaded*/) {
    return static_cast<Call*>(self)->stopped() ? 1 : 0;
  }
};

struct CloseCurl {
  void operator()(CURL* curl) const { ::curl_easy_cleanup(curl); }
};
struct CloseList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, CloseList>;

void add_header(Headers& headers, const std::string& line) {
  curl_slist* const longer = ::curl_slist_append(headers.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  (void)headers.release();  // it is the head of the longer list, or the list was empty
  headers.reset(longer);
}

WebhookOutcome outcome_of(CURL* curl, CURLcode result, const Call& call, const char* words) {
  long status = 0;
  ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const bool answered = result == CURLE_OK || (result == CURLE_WRITE_ERROR && call.received > kMostAnswer);
  if (answered && status >= 200 && status < 300) return {.delivered = true, .refused = false, .problem = {}};
  if (answered && status >= 300 && status < 400)
    return {.delivered = false, .refused = false, .problem = "the answer was a redirect, which is not followed"};
  if (answered) return {.delivered = false, .refused = status == 410, .problem = "the answer was " + std::to_string(status)};
  if (call.kept_away) {
    return {.delivered = false,
            .refused = false,
            .problem = "the host is at an address of this machine or of a private network (--webhook-private allows it)"};
  }
  return {.delivered = false, .refused = false, .problem = *words != '\0' ? words : ::curl_easy_strerror(result)};
}

}  // namespace

bool is_public(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    return is_public_v4(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  const auto& bytes = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr.s6_addr;
  return is_public_v6(std::span<const std::uint8_t, 16>(bytes));
}

void check_webhook(const std::string& url, const WebhookRules& rules) {
  if (rules.hosts.empty()) refuse("means nothing here: this server sends no webhooks", "start it with --webhook-host HOST");
  const bool plain = std::all_of(url.begin(), url.end(), [](unsigned char c) { return c > 32 && c < 127; });
  const Url parts;
  if (url.size() > kLongestUrl || !plain ||
      ::curl_url_set(parts.handle, CURLUPART_URL, url.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK)
    refuse("is not an address of at most 2048 characters without credentials", "give one such as https://example.com/hook");
  const std::string scheme = parts.part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") refuse("begins with neither https:// nor http://", "give one of these");
  const std::string host = lower_case(parts.part(CURLUPART_HOST));
  const std::string port = parts.part(CURLUPART_PORT, CURLU_DEFAULT_PORT);
  const bool listed = std::any_of(rules.hosts.begin(), rules.hosts.end(), [&](const std::string& one) {
    return lower_case(one) == host || lower_case(one) == host + ":" + port;
  });
  if (!listed) refuse("leads to a host that is not allowed here", "the server's --webhook-host names those that are");
  if (!rules.allow_private && is_private_number(host))
    refuse("leads to this machine or into a private network", "start the server with --webhook-private to allow that");
}

std::string webhook_signature(const std::string& secret, const std::string& timestamp, const std::string& body) {
  std::string text = timestamp + ".";
  text += body;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (::HMAC(::EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size) == nullptr)
    throw Error(ErrorCode::internal, "a webhook cannot be signed");
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kDigits[digest.at(i) >> 4U];
    hex += kDigits[digest.at(i) & 15U];
  }
  return hex;
}

WebhookOutcome send_webhook(const WebhookMessage& message, const WebhookRules& rules, const std::function<bool()>& stopped) {
  try {
    check_webhook(message.url, rules);
  } catch (const HttpError& error) {  // the server was started with other rules meanwhile
    return {.delivered = false, .refused = true, .problem = error.what()};
  }
  const std::unique_ptr<CURL, CloseCurl> owned(::curl_easy_init());
  if (!owned) throw std::bad_alloc();
  CURL* const curl = owned.get();
  const std::string timestamp = std::to_string(std::time(nullptr));
  Headers headers;
  add_header(headers, "Content-Type: application/json");
  add_header(headers, "X-Espalier-Event: " + message.event);
  add_header(headers, "X-Espalier-Delivery: " + message.delivery);
  add_header(headers, "X-Espalier-Timestamp: " + timestamp);
  add_header(headers, "X-Espalier-Signature: sha256=" + webhook_signature(rules.secret, timestamp, message.body));
  add_header(headers, "Expect:");
  Call call{rules, stopped};
  std::array<char, CURL_ERROR_SIZE> words{};
  const std::string agent = std::string("espalier/") + version();
  const auto set = [&](auto option, auto value) { ::curl_easy_setopt(curl, option, value); };
  set(CURLOPT_URL, message.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");  // a proxy would look up the name itself
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_USERAGENT, agent.c_str());
  set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(CURLOPT_TIMEOUT, kAllSeconds);
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(message.body.size()));
  set(CURLOPT_POSTFIELDS, message.body.data());
  set(CURLOPT_OPENSOCKETFUNCTION, &Call::open);
  set(CURLOPT_OPENSOCKETDATA, &call);
  set(CURLOPT_WRITEFUNCTION, &Call::take);
  set(CURLOPT_WRITEDATA, &call);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &Call::watch);
  set(CURLOPT_XFERINFODATA, &call);
  set(CURLOPT_ERRORBUFFER, words.data());
  return outcome_of(curl, ::curl_easy_perform(curl), call, words.data());
}

}  // namespace espalier::server
