#include "guard.h"

#include <gtest/gtest.h>

#include "event_hub.h"
#include "serve.h"

namespace espalier::server {
namespace {

int status_of(const std::string& path, const std::string& headers, const GuardRules& rules) {
  try {
    guard(parse_head("GET " + path + " HTTP/1.1\r\n" + headers + "\r\n"), rules);
  } catch (const HttpError& error) {
    return error.status();
  }
  return 200;
}

TEST(Guard, KeysAreAskedForWhereThereIsOne) {
  const GuardRules rules{.api_key = "secret-key", .loopback = false, .allowed_origins = {}};
  EXPECT_EQ(status_of("/v1/jobs", "Host: x\r\n", rules), 401);
  EXPECT_EQ(status_of("/v1/jobs", "Host: x\r\nAuthorization: bearer secret-key\r\n", rules), 200);
  EXPECT_EQ(status_of("/%76%31/jobs", "Host: x\r\n", rules), 401);  // the same address, written otherwise
  EXPECT_EQ(status_of("/", "Host: x\r\n", rules), 200);
}

TEST(Guard, HostsOfLoopbackAddresses) {
  const GuardRules rules{.api_key = "", .loopback = true, .allowed_origins = {"https://studio.example:8443"}};
  for (const char* host : {"localhost", "LOCALHOST:7860", "127.0.0.1:1", "127.1.2.3", "[::1]:7860", "studio.example:8443"}) {
    EXPECT_EQ(status_of("/v1/jobs", "Host: " + std::string(host) + "\r\n", rules), 200) << host;
  }
  for (const char* host : {"", "evil.example", "127.0.0.1.evil.example", "[::1", "localhost.", "studio.example"}) {
    EXPECT_EQ(status_of("/v1/jobs", "Host: " + std::string(host) + "\r\n", rules), 403) << host;
  }
}

TEST(Guard, WithoutAKeyNoNameLeadsHere) {
  GuardRules rules{.api_key = "", .loopback = false, .allowed_origins = {"https://studio.example"}};
  for (const char* host : {"192.168.1.20:7860", "[fe80::1]:7860", "localhost", "studio.example"}) {
    EXPECT_EQ(status_of("/v1/jobs", "Host: " + std::string(host) + "\r\n", rules), 200) << host;
  }
  const std::string foreign = "Host: evil.example:7860\r\nOrigin: http://evil.example:7860\r\n";
  EXPECT_EQ(status_of("/v1/jobs", foreign, rules), 403);
  EXPECT_EQ(status_of("/v1/jobs", "Host: 192.168.1.20.evil.example\r\n", rules), 403);
  rules.api_key = "secret-key";
  EXPECT_EQ(status_of("/v1/jobs", foreign + "Authorization: Bearer secret-key\r\n", rules), 200);
}

TEST(Guard, TextsAreComparedWhole) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  for (const char* other : {"", "ab", "abcd", "abd", "ABC"}) EXPECT_FALSE(equal_in_constant_time(other, "abc")) << other;
}

TEST(Addresses, Loopback) {
  for (const char* host : {"127.0.0.1", "127.9.9.9", "localhost", "::1"}) EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host : {"0.0.0.0", "::", "127.evil.example", "10.0.0.1", ""}) EXPECT_FALSE(is_loopback(host)) << host;
  EXPECT_EQ(default_data_folder("/d", "/h"), "/d/espalier");
  EXPECT_EQ(default_data_folder("relative", "/h"), "/h/.local/share/espalier");
  EXPECT_THROW((void)default_data_folder("", ""), Error);
}

TEST(EventHub, ListenersHearTheirJobAndOnlyTheNewestProgress) {
  EventHub hub;
  EventHub::Listener listener(hub, "a");
  hub.publish("b", {"state", "other", true});
  for (const char* data : {"1", "2", "3"}) hub.publish("a", {"progress", data});
  hub.publish("a", {"file", "f"});
  hub.publish("a", {"progress", "4"});
  hub.publish("a", {"state", "done", true});
  std::string heard;
  while (const auto event = listener.wait(std::chrono::milliseconds(0)))
    heard += event->name + event->data + (event->last ? "." : " ");
  EXPECT_EQ(heard, "progress3 filef progress4 statedone.");
  EXPECT_EQ(hub.listeners(), 1U);
  hub.close();
  EXPECT_TRUE(listener.closed());
  EXPECT_FALSE(listener.wait(std::chrono::hours(1)));
}

}  // namespace
}  // namespace espalier::server
