// One signed message to an address that somebody else has chosen: what may be reached, and how it is asked.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <string>
#include <vector>

namespace espalier::server {

struct WebhookRules {
  std::vector<std::string> hosts;  // HOST or HOST:PORT in lower case; empty: no webhooks
  bool allow_private = false;      // addresses that are not of the public internet
  std::string secret;              // that messages are signed with
  double retry_seconds = 5;        // until the second try
};

// Whether the address is one of the public internet: not this machine, a private network, a link, a group, or an address that
// stands for such a one (mapped, translated and tunnelled IPv4 included).
[[nodiscard]] bool is_public(const sockaddr& address);

// Throws HttpError 400 for an address that messages may not go to: no http or https, a host that is not listed, credentials.
// What a name leads to is checked with every connection.
void check_webhook(const std::string& url, const WebhookRules& rules);

struct WebhookMessage {
  std::string url, event, delivery, body;
};

struct WebhookOutcome {
  bool delivered = false;  // the answer was 2xx
  bool refused = false;    // for good: 410 Gone, or an address that is not allowed
  std::string problem;     // of what was not delivered
};

// HMAC-SHA256 of "TIMESTAMP.BODY" in hexadecimal digits.
[[nodiscard]] std::string webhook_signature(const std::string& secret, const std::string& timestamp, const std::string& body);

// One try, of a few seconds. Redirects are not followed; proxies of the environment are not used; of the answer little is read.
[[nodiscard]] WebhookOutcome send_webhook(const WebhookMessage& message, const WebhookRules& rules,
                                          const std::function<bool()>& stopped);

}  // namespace espalier::server
