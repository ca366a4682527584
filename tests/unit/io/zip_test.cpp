#include "io/formats/zip.h"

#include <gtest/gtest.h>

#include "io/formats/deflate.h"
#include "support/bytes.h"
#include "support/errors.h"
#include "zip_reader.h"

namespace espalier {
namespace {

using test::bytes_of;
using test::expect_error;

TEST(Zip, ReadsBack) {
  std::string noise;
  for (unsigned i = 0, x = 1; i < 500; ++i) noise += static_cast<char>((x = x * 1664525U + 1013904223U) >> 24U);
  const std::string prose(100'000, 'a');
  const std::vector<NamedFile> files = {
      {"empty", {}}, {"folder/prose.txt", bytes_of(prose)}, {"noise", bytes_of(noise)}, {"caf\xC3\xA9", bytes_of("x")}};
  const auto archive = encode_zip(files);
  EXPECT_EQ(archive, encode_zip(files));
  const auto members = test::ZipReader::read(archive);
  ASSERT_EQ(members.size(), 4U);
  EXPECT_EQ(members.at("empty").text, "");
  EXPECT_EQ(members.at("folder/prose.txt").text, prose);
  EXPECT_TRUE(members.at("folder/prose.txt").deflated);
  EXPECT_EQ(members.at("noise").text, noise);
  EXPECT_FALSE(members.at("noise").deflated);
  EXPECT_EQ(members.at("caf\xC3\xA9").text, "x");
  EXPECT_TRUE(test::ZipReader::read(encode_zip({})).empty());
}

TEST(Zip, NamesThatLeadOutside) {
  for (const char* name : {"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "a\\b"}) {
    const std::vector<NamedFile> files = {{name, {}}};
    expect_error(ErrorCode::invalid_argument, {"name of a member"}, [&] { (void)encode_zip(files); });
  }
  const std::vector<NamedFile> twice = {{"a", {}}, {"a", {}}};
  expect_error(ErrorCode::invalid_argument, {"twice"}, [&] { (void)encode_zip(twice); });
}

TEST(Gzip, ReadsBackInPieces) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += static_cast<char>('a' + i % 300 * (i % 300) % 23);
  const auto packed = gzipped(bytes_of(text), "seed 7");
  EXPECT_LT(packed.size(), text.size());
  GzipReader reader(packed, "x.gz");
  std::vector<std::byte> head(5), rest(text.size() - 5), more(1);
  reader.read(head);
  reader.read(rest);
  head.insert(head.end(), rest.begin(), rest.end());
  EXPECT_EQ(head, bytes_of(text));
  expect_error(ErrorCode::format, {"x.gz", "end early"}, [&] { reader.read(more); });
}

TEST(Gzip, DamageIsAnError) {
  auto packed = gzipped(bytes_of(std::string(10'000, 'x') + "and something else"), {});
  std::vector<std::byte> out(10'018);
  const std::vector<std::byte> half(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(packed.size() / 2));
  expect_error(ErrorCode::format, {"half.gz"}, [&] { GzipReader(half, "half.gz").read(out); });
  expect_error(ErrorCode::format, {"none.gz"}, [&] { GzipReader({}, "none.gz").read(out); });
  packed[0] = std::byte{0};
  expect_error(ErrorCode::format, {"no.gz", "no sense"}, [&] { GzipReader(packed, "no.gz").read(out); });
}

}  // namespace
}  // namespace espalier
