#include "multipart.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <random>
#include <thread>

namespace espalier::server {
namespace {

struct Part {
  PartHead head;
  std::string data;
};

// What read_multipart finds in a body that comes over a socket, `piece` bytes at a time.
std::vector<Part> parts_of(const std::string& body, const std::string& boundary, std::size_t piece, bool chunked = false,
                           std::uint64_t limit = std::uint64_t{1} << 24U) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  std::thread client([&, fd = ends[0]] {
    for (std::size_t at = 0; at < body.size();) {
      const ssize_t n = ::send(fd, body.data() + at, std::min(piece, body.size() - at), MSG_NOSIGNAL);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
    ::shutdown(fd, SHUT_WR);
  });
  struct Ends {
    std::thread& thread;
    std::array<int, 2>& ends;
    ~Ends() {
      ::close(ends[1]);
      thread.join();
      ::close(ends[0]);
    }
  } const cleaner{client, ends};
  RequestHead head;
  if (!chunked) head.content_length = body.size();
  head.chunked = chunked;
  Connection connection(ends[1], {});
  Body reader(connection, head, limit);
  std::vector<Part> parts;
  read_multipart(
      reader, boundary,
      [&](const PartHead& part) {
        parts.push_back({part, ""});
      },
      [&](std::string_view bytes) { parts.back().data += bytes; });
  EXPECT_TRUE(reader.finished());
  return parts;
}

const std::string kBody =
    "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a \\\"b\\\".png\"\r\nContent-Type: "
    "Image/PNG; x=y\r\n\r\n-b\r\n--\r\n-\r\n--a\r\n-\r\n--b\r\ncontent-disposition: FORM-DATA; "
    "name=options\r\n\r\n{}\r\n--b--\r\nepilogue";

// The same body in chunks of `size` bytes, with an extension and fields behind the last one.
std::string in_chunks(const std::string& body, std::size_t size) {
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += size) {
    std::array<char, 20> digits{};
    const std::size_t n = std::min(size, body.size() - at);
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), n, 16).ptr;
    out.append(digits.data(), end).append(at == 0 ? ";name=\"value\"\r\n" : "\r\n").append(body, at, n).append("\r\n");
  }
  return out + "0\r\nX-Checksum: none\r\n\r\n";
}

TEST(Multipart, BodiesInChunks) {
  const auto whole = parts_of(kBody, "b", 4096);
  for (const std::size_t size : {1, 7, 100'000}) {
    for (const std::size_t piece : {3, 65536}) {
      const auto parts = parts_of(in_chunks(kBody, size), "b", piece, true);
      ASSERT_EQ(parts.size(), whole.size());
      for (std::size_t i = 0; i < parts.size(); ++i) EXPECT_EQ(parts[i].data, whole[i].data);
    }
  }
  const auto status = [](const std::string& body, std::uint64_t limit) {
    try {
      (void)parts_of(body, "b", 65536, true, limit);
      return 200;
    } catch (const HttpError& error) {
      return error.status();
    }
  };
  EXPECT_EQ(status(in_chunks(kBody, 10), kBody.size()), 200);
  EXPECT_EQ(status(in_chunks(kBody, 10), kBody.size() - 1), 413);
  for (const char* bad :
       {"x\r\nabc\r\n0\r\n\r\n", "-1\r\n", "3\r\nabcd\r\n0\r\n\r\n", "\r\n\r\n", "0x3\r\nabc\r\n", "+3\r\nabc\r\n"})
    EXPECT_EQ(status(bad, 1000), 400) << bad;
  EXPECT_EQ(status("ffffffffffffffff\r\n", 1000), 413);
  EXPECT_EQ(status("3\r\nabc\r\nffffffffffffffff\r\n", 1000), 413);
}

TEST(Multipart, PartsAndTheirHeads) {
  std::string body =
      "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a \\\"b\\\".png\"\r\nContent-Type: Image/PNG; "
      "x=y\r\n\r\n";
  std::string data(300000, '\0');
  std::mt19937 random(3);
  for (char& c : data) c = "\r\n-bx"[random() % 5];
  for (std::size_t at = 0; (at = data.find("\r\n--b", at)) != std::string::npos;) data[at] = 'x';
  body += data + "\r\n--b\r\ncontent-disposition: FORM-DATA; name=options\r\n\r\n{}\r\n--b--\r\nepilogue";
  for (const std::size_t piece : {997, 65536}) {
    const std::vector<Part> parts = parts_of("preamble\r\n" + body, "b", piece);
    ASSERT_EQ(parts.size(), 2U);
    EXPECT_EQ(parts[0].head.name, "image");
    EXPECT_EQ(parts[0].head.filename, "a \"b\".png");
    EXPECT_EQ(parts[0].head.content_type, "image/png");
    EXPECT_TRUE(parts[0].data == data);
    EXPECT_EQ(parts[1].head.name, "options");
    EXPECT_EQ(parts[1].data, "{}");
  }
  EXPECT_TRUE(parts_of("--b--\r\n", "b", 1).empty());
}

TEST(Multipart, BoundariesOfContentTypes) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(multipart_boundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b\""), "a b");
  for (const char* type : {"", "multipart/form-data", "multipart/mixed; boundary=b",
                           "multipart/form-data; boundary=", "application/json; boundary=b"}) {
    EXPECT_THROW((void)multipart_boundary(type), HttpError) << type;
  }
  EXPECT_THROW((void)multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'b')), HttpError);
}

TEST(Multipart, NothingDamagedCrashes) {
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string body = kBody;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % body.size();
      if (random() % 2 == 0) {
        body[at] = static_cast<char>(random());
      } else {
        body.erase(at, 1 + random() % 20);
        if (body.empty()) body.push_back(kBody.front());
      }
    }
    try {
      (void)parts_of(body, "b", 1 + random() % 200);
    } catch (const HttpError& error) {
      EXPECT_EQ(error.status(), 400);
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Multipart, ExtendedFileNames) {
  const auto name_of = [](const std::string& parameters) {
    const std::string body = "--b\r\nContent-Disposition: form-data; name=image; " + parameters + "\r\n\r\nx\r\n--b--\r\n";
    return parts_of(body, "b", 7).at(0).head.filename;
  };
  EXPECT_EQ(name_of("filename*=UTF-8''caf%C3%A9%20%22.png"), "caf\xc3\xa9 \".png");
  EXPECT_EQ(name_of("filename=\"plain.png\"; filename*=utf-8'en'%e2%82%ac.png"), "\xe2\x82\xac.png");
  EXPECT_EQ(name_of("filename=\"plain.png\"; filename*=KOI8-R''%c1.png"), "plain.png");  // no other character set is known
  EXPECT_EQ(name_of("filename=\"plain.png\"; filename*=UTF-8''%zz"), "plain.png");
  EXPECT_EQ(name_of("filename=\"plain.png\"; filename*=broken"), "plain.png");
}

}  // namespace
}  // namespace espalier::server
