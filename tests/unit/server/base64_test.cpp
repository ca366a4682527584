#include "base64.h"

#include <gtest/gtest.h>

namespace espalier::server {
namespace {

// In pieces of `step` characters.
std::string decoded(const std::string& text, std::size_t step) {
  Base64Decoder decoder;
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += step) decoder.decode(std::string_view(text).substr(at, step), out);
  decoder.finish();
  return out;
}

TEST(Base64, ExamplesOfTheStandard) {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(base64_of(bytes), text);
    EXPECT_EQ(base64_length(std::string_view(bytes).size()), std::string_view(text).size());
    for (std::size_t step = 1; step < 6; ++step) EXPECT_EQ(decoded(text, step), bytes);
  }
}

TEST(Base64, EveryByteComesBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  for (std::size_t size = 250; size <= bytes.size(); ++size) {
    const std::string part = bytes.substr(0, size);
    EXPECT_EQ(decoded(base64_of(part), 7), part);
  }
}

TEST(Base64, NothingElseIsTaken) {
  for (const char* text :
       {"Z", "Zg", "Zg=", "=", "Z===", "====", "Zg==Zg==", "Zg=A", "Zh==", "Zm9=", "Zm8 =", "Zm8=\n", "Zm-_", "Zm8\xC3\xA9"}) {
    for (std::size_t step = 1; step < 6; ++step) EXPECT_THROW((void)decoded(text, step), Base64Error) << text;
  }
}

}  // namespace
}  // namespace espalier::server
