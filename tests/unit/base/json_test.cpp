#include "base/json.h"

#include <gtest/gtest.h>

#include <random>

namespace espalier {
namespace {

using Json = nlohmann::json;
using Ordered = nlohmann::ordered_json;

std::string problem_of(std::string_view text, const JsonLimits& limits = {}) {
  std::string problem;
  const Json value = read_json<Json>(text, limits, problem);
  EXPECT_EQ(value.is_discarded(), !problem.empty()) << text << ": " << problem;
  return problem;
}

TEST(ReadJson, ReadsWhatTheLibraryReads) {
  const std::string text =
      R"( {"a": [1, -2, 3.5, "x\"y\u00e9", true, false, null, {}, []], "b": {"c": {"d": 18446744073709551615}}, "": [[[1e3]]]} )";
  std::string problem;
  EXPECT_EQ(read_json<Json>(text, {}, problem), Json::parse(text));
  EXPECT_EQ(problem, "");
  EXPECT_EQ(read_json<Ordered>(text, {}, problem).dump(), Ordered::parse(text).dump());
  for (const char* lone : {"1", "\"x\"", "null", "[]", "{}"}) EXPECT_EQ(read_json<Json>(lone, {}, problem), Json::parse(lone));
}

TEST(ReadJson, RefusesWhatTheLibraryRefuses) {
  for (const char* text : {"", " ", "{", "]", "[1,]", "{\"a\"}", "{\"a\":1,}", "\"x", "{} {}", "{}x", "nul", "1e999",
                           "[\"\\u12\"]", "\xff", "[1 2]", "{\"a\":1 \"b\":2}", "\"\\", "{}\xef\xbb\xbf"}) {
    EXPECT_NE(problem_of(text).find("not valid JSON"), std::string::npos) << text;
  }
}

TEST(ReadJson, RefusesKeysThatComeTwice) {
  EXPECT_EQ(problem_of(R"({"a": 1, "a": 2})"), "has the key \"a\" twice");
  EXPECT_EQ(problem_of(R"([{"b": {"a": 1, "\u0061": 2}}])"), "has the key \"a\" twice");
  EXPECT_EQ(problem_of(R"({"a": {"a": {"a": 1}}, "b": {"a": 2}})"), "");
}

TEST(ReadJson, LimitsHoldToTheByte) {
  const JsonLimits limits{.bytes = 40, .values = 4, .string = 5, .depth = 3};
  EXPECT_EQ(problem_of("[[[1]]]", limits), "");
  EXPECT_EQ(problem_of("[[[[1]]]]", limits), "is nested more than 3 deep");
  EXPECT_EQ(problem_of("[1,2,3]", {.values = 3}), "has more than 3 values");
  EXPECT_EQ(problem_of("[1,2,3]", {.values = 4}), "");
  EXPECT_EQ(problem_of("\"12345\"", limits), "");
  EXPECT_EQ(problem_of("\"123456\"", limits), "has a string of more than 5 bytes");
  EXPECT_EQ(problem_of(std::string(41, ' ')), "is not valid JSON at byte 42");
  EXPECT_EQ(problem_of(std::string(41, ' '), limits), "has more than 40 bytes");
  EXPECT_EQ(problem_of(R"(["{[,", "\"{["])", {.values = 3, .depth = 1}), "");  // brackets inside strings are text
}

// Against the library without limits: the same documents are read, whatever was done to them.
TEST(ReadJson, AgreesWithTheLibraryOnMutations) {
  const std::string good = R"({"a": [1, -2.5, "x\"y", true, null], "b": {"c": {}, "d": [[], {"e": "\u0041"}]}})";
  std::mt19937 random(11);
  int read = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = good;
    for (unsigned n = random() % 3 + 1; n > 0; --n) text[random() % text.size()] = "{}[],:\"\\0e-+ x\x80"[random() % 16];
    std::string problem;
    const Json ours = read_json<Json>(text, {}, problem);
    if (problem.find("twice") != std::string::npos) continue;
    const Json theirs = Json::parse(text, nullptr, false);
    ASSERT_EQ(ours.is_discarded(), theirs.is_discarded()) << text << "\n" << problem;
    if (ours.is_discarded()) continue;
    ASSERT_EQ(ours, theirs) << text;
    ++read;
  }
  EXPECT_GT(read, 500);
}

TEST(Shortened, KeepsCharactersWhole) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc...");
  EXPECT_EQ(shortened("a\xc3\xa9\xc3\xa9", 4), "a\xc3\xa9...");
}

}  // namespace
}  // namespace espalier
