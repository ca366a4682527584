#include "http_message.h"

#include <gtest/gtest.h>

#include <random>

namespace espalier::server {
namespace {

int status_of(const std::string& head) {
  try {
    (void)parse_head(head);
  } catch (const HttpError& error) {
    return error.status();
  }
  return 200;
}

TEST(RequestHead, IsTakenApart) {
  const RequestHead head = parse_head(
      "GET /v1/jobs/a%20b/files/x.glb?download=1&limit=&empty HTTP/1.1\r\nHost: localhost:7860\r\nAccept:  a, b \r\n"
      "Connection: close\r\n\r\n");
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.path, (std::vector<std::string>{"v1", "jobs", "a b", "files", "x.glb"}));
  EXPECT_EQ(head.query.at("download"), "1");
  EXPECT_EQ(head.query.at("limit"), "");
  EXPECT_EQ(head.query.count("empty"), 1U);
  EXPECT_EQ(head.header("accept"), "a, b");
  EXPECT_FALSE(head.keep_alive);
  EXPECT_FALSE(head.has_body());
  EXPECT_TRUE(parse_head("GET / HTTP/1.1\r\nHost: x\r\n\r\n").path.empty());
  EXPECT_EQ(parse_head("GET /a/ HTTP/1.1\r\nHost: x\r\n\r\n").path, (std::vector<std::string>{"a", ""}));
}

TEST(RequestHead, AnEscapedSlashIsPartOfASegment) {
  EXPECT_EQ(parse_head("GET /a%2f..%2Fb HTTP/1.1\r\nHost: x\r\n\r\n").path, std::vector<std::string>{"a/../b"});
}

TEST(RequestHead, BodiesHaveOneLength) {
  EXPECT_EQ(parse_head("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n").content_length, 12U);
  for (const char* framing : {"Content-Length: 1\r\nContent-Length: 1", "Content-Length: +1", "Content-Length: 1 2",
                              "Content-Length: ", "Content-Length: 0x10", "Content-Length: 5, 5",
                              "Transfer-Encoding: chunked\r\nContent-Length: 3"}) {
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: x\r\n" + std::string(framing) + "\r\n\r\n"), 400) << framing;
  }
  EXPECT_TRUE(parse_head("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n").chunked);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), 411);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(RequestHead, TheAbsoluteFormSaysWhatHostIs) {
  const RequestHead head = parse_head("GET HTTP://studio.example:80/v1/jobs?limit=2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(head.header("host"), "studio.example:80");
  EXPECT_EQ(head.path, (std::vector<std::string>{"v1", "jobs"}));
  EXPECT_EQ(head.query.at("limit"), "2");
  EXPECT_TRUE(parse_head("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n").path.empty());
  EXPECT_EQ(parse_head("GET http://x?a=1 HTTP/1.1\r\nHost: x\r\n\r\n").query.at("a"), "1");
  for (const char* target : {"ftp://x/", "http:///a", "http://user@x/", "x", "*", "javascript:x"}) {
    EXPECT_EQ(status_of("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n"), 400) << target;
  }
  EXPECT_EQ(status_of("GET http://x/ HTTP/1.1\r\n\r\n"), 400);  // Host must be there all the same
}

TEST(RequestHead, LaterMinorVersionsAreUnderstood) {
  for (const char* version : {"HTTP/1.1", "HTTP/1.2", "HTTP/1.9"}) {
    const RequestHead head = parse_head("GET /a " + std::string(version) + "\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(head.keep_alive) << version;
    EXPECT_FALSE(head.old_version) << version;
  }
  EXPECT_TRUE(parse_head("GET /a HTTP/1.0\r\nHost: x\r\n\r\n").old_version);
  for (const char* version : {"HTTP/2.0", "HTTP/3.1", "HTTP/0.9"}) {
    EXPECT_EQ(status_of("GET /a " + std::string(version) + "\r\nHost: x\r\n\r\n"), 505) << version;
  }
}

TEST(HttpDate, IsThatOfTheStandard) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(RequestHead, NothingDamagedGetsThroughOrCrashes) {
  const std::string good =
      "POST /v1/jobs?state=done%41 HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
      "boundary=b\r\nContent-Length: 77\r\n\r\n";
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string head = good;
    for (unsigned changes = 1 + random() % 4; changes > 0 && !head.empty(); --changes) {
      const std::size_t at = random() % head.size();
      switch (random() % 3) {
        case 0: head[at] = static_cast<char>(random()); break;
        case 1: head.erase(at, 1 + random() % 8); break;
        default: head.insert(at, 1 + random() % 3, static_cast<char>(random()));
      }
    }
    const int status = status_of(head);
    EXPECT_TRUE(status == 200 || (status >= 400 && status <= 505)) << status;
  }
}

TEST(PercentEscapes, AreDecodedOrRefused) {
  EXPECT_EQ(percent_decoded("a%41%7e"), "aA~");
  for (const char* text : {"%", "%4", "%zz", "%00", "a%0"}) EXPECT_FALSE(percent_decoded(text)) << text;
}

TEST(Range, OneRangeOrTheWhole) {
  const auto range = [](const char* text) {
    const auto r = parse_range(text, 100);
    return r ? std::pair(r->first, r->last) : std::pair<std::uint64_t, std::uint64_t>(7777, 7777);
  };
  const std::pair<std::uint64_t, std::uint64_t> ignored(7777, 7777);
  EXPECT_EQ(range("bytes=0-9"), std::pair(std::uint64_t{0}, std::uint64_t{9}));
  EXPECT_EQ(range("bytes=90-"), std::pair(std::uint64_t{90}, std::uint64_t{99}));
  EXPECT_EQ(range("bytes=-10"), std::pair(std::uint64_t{90}, std::uint64_t{99}));
  EXPECT_EQ(range("bytes=-1000"), std::pair(std::uint64_t{0}, std::uint64_t{99}));
  EXPECT_EQ(range("bytes=50-1000"), std::pair(std::uint64_t{50}, std::uint64_t{99}));
  for (const char* text :
       {"", "bytes=", "bytes=-", "bytes=9-0", "bytes=a-b", "lines=0-9", "bytes=0-1,2-3", "bytes=99999999999999999999-"}) {
    EXPECT_EQ(range(text), ignored) << text;
  }
  EXPECT_THROW((void)parse_range("bytes=100-", 100), HttpError);
  EXPECT_THROW((void)parse_range("bytes=-0", 100), HttpError);
  EXPECT_THROW((void)parse_range("bytes=-5", 0), HttpError);
}

TEST(Range, WhateverIsAskedForLiesInside) {
  std::mt19937 random(2);
  constexpr std::string_view kPieces[] = {"bytes=", "-", "0", "9", "100", "18446744073709551615", "18446744073709551616",
                                          ",",      " ", "b", "+1"};
  for (int round = 0; round < 20000; ++round) {
    std::string header = random() % 4 == 0 ? "" : "bytes=";
    for (unsigned n = random() % 5; n > 0; --n) header += kPieces[random() % std::size(kPieces)];
    const std::uint64_t size = random() % 3 == 0 ? 0 : random() % 200;
    try {
      if (const auto range = parse_range(header, size)) {
        EXPECT_TRUE(range->first <= range->last && range->last < size) << header << " of " << size;
      }
    } catch (const HttpError& error) {
      EXPECT_EQ(error.status(), 416) << header;
    }
  }
}

}  // namespace
}  // namespace espalier::server
