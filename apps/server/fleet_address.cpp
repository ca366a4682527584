#include "fleet_address.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "espalier/error.h"
#include "http_message.h"

namespace espalier::server {

namespace {

constexpr std::size_t kLongest = 1024;

[[noreturn]] void refuse_redis(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "the address of the queue " + what,
              "write redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], with %40 for an @ in a password, or rediss:// for TLS");
}

[[noreturn]] void refuse_bucket(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "the address of the results " + what,
              "write s3://BUCKET or s3://BUCKET/PREFIX, in small letters, digits, -, _, . and /");
}

std::optional<int> number_in(std::string_view text, int low, int high) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size() && value >= low && value <= high;
  return good ? std::optional(value) : std::nullopt;
}

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

std::string decoded(std::string_view text) {
  auto value = percent_decoded(text);
  if (!value) refuse_redis("has a % that stands for no character");
  if (std::any_of(value->begin(), value->end(), [](char c) { return c >= 0 && c < ' '; }))
    refuse_redis("has control characters in user or password");
  return *std::move(value);
}

// HOST[:PORT] or [HOST]:PORT.
void read_place(std::string_view place, RedisAddress& address) {
  const bool bracketed = place.starts_with('[');
  const auto close = place.find(']');
  if (bracketed && close == std::string_view::npos) refuse_redis("has a [ without ]");
  const auto colon = place.find(':', bracketed ? close : 0);
  address.host = bracketed ? place.substr(1, close - 1) : place.substr(0, colon);
  const bool good = !address.host.empty() && std::all_of(address.host.begin(), address.host.end(), [&](char c) {
    return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_' || (bracketed && (c == ':' || c == '%'));
  });
  if (!good || (bracketed && close + 1 != std::min(colon, place.size()))) refuse_redis("names no host");
  if (colon == std::string_view::npos) return;
  const auto port = number_in(place.substr(colon + 1), 1, 65535);
  if (!port) refuse_redis("has a port that is not 1 to 65535");
  address.port = *port;
}

}  // namespace

std::string RedisAddress::shown() const {
  std::string text = host;
  if (host.find(':') != std::string::npos) text.insert(0, 1, '[').push_back(']');
  text.append(":").append(std::to_string(port));
  if (database != 0) text.append("/").append(std::to_string(database));
  return text;
}

RedisAddress parse_redis_address(const std::string& text) {
  RedisAddress address;
  if (text.size() > kLongest) refuse_redis("is too long");
  std::string_view rest(text);
  if (rest.starts_with("rediss://")) {
    address.tls = true;
  } else if (!rest.starts_with("redis://")) {
    refuse_redis("begins with neither redis:// nor rediss://");
  }
  rest.remove_prefix(address.tls ? 9 : 8);
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view who = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    const auto colon = who.find(':');
    if (colon == std::string_view::npos || colon + 1 == who.size()) refuse_redis("has an @, and no password before it");
    address.user = decoded(who.substr(0, colon));
    address.password = decoded(who.substr(colon + 1));
  }
  const auto slash = rest.find('/');
  read_place(rest.substr(0, slash), address);
  if (slash == std::string_view::npos || slash + 1 == rest.size()) return address;
  const auto database = number_in(rest.substr(slash + 1), 0, 65535);
  if (!database) refuse_redis("has something other than the number of a database behind the host");
  address.database = *database;
  return address;
}

bool is_bucket_address(const std::string& text) { return text.starts_with("s3://"); }

// Names that stand in addresses as they are, so that nothing has to be escaped when requests are signed.
BucketAddress parse_bucket_address(const std::string& text) {
  if (!is_bucket_address(text)) refuse_bucket("does not begin with s3://");
  if (text.size() > kLongest) refuse_bucket("is too long");
  const std::string rest = text.substr(5);
  const auto slash = rest.find('/');
  BucketAddress address{rest.substr(0, slash), slash == std::string::npos ? std::string() : rest.substr(slash + 1)};
  const bool named = address.bucket.size() >= 3 && address.bucket.size() <= 63 &&
                     std::all_of(address.bucket.begin(), address.bucket.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
                     });
  if (!named || !is_letter_or_digit(address.bucket.front()) || address.bucket.find("..") != std::string::npos)
    refuse_bucket("names no bucket");
  while (address.prefix.ends_with('/')) address.prefix.pop_back();
  if (address.prefix.empty()) return address;
  std::string_view left(address.prefix);
  while (true) {
    const auto end = left.find('/');
    const std::string_view part = left.substr(0, end);
    const bool good = !part.empty() && part != "." && part != ".." && std::all_of(part.begin(), part.end(), [](char c) {
      return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
    });
    if (!good) refuse_bucket("has a prefix that is not a path");
    if (end == std::string_view::npos) break;
    left.remove_prefix(end + 1);
  }
  address.prefix += '/';
  return address;
}

}  // namespace espalier::server
