// The tokenizer: what it reads, what it refuses, where it cuts. That its ids are the reference's is a golden case.
#include "text/clip_tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/errors.h"
#include "support/temporary_folder.h"
#include "text/vocabulary.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::int64_t kLength = 77;
constexpr std::int32_t kStart = 49406, kEnd = 49407;

PromptTokens encode(const ClipTokenizer& tokenizer, const std::string& text) {
  return tokenizer.encode(text, kLength, "the prompt");
}
const ClipTokenizer& embedded() {
  static const ClipTokenizer tokenizer = ClipTokenizer::embedded();
  return tokenizer;
}
// Without the padding and the two ends.
std::vector<std::int32_t> inner(const PromptTokens& tokens) {
  return {tokens.ids.begin() + 1, tokens.ids.begin() + tokens.count - 1};
}
void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

TEST(ClipTokenizer, KnownWords) {
  // Ids of openai/clip-vit-large-patch14.
  const PromptTokens tokens = encode(embedded(), "a photo of a cat");
  EXPECT_EQ(inner(tokens), (std::vector<std::int32_t>{320, 1125, 539, 320, 2368}));
  EXPECT_EQ(tokens.count, 7);
  ASSERT_EQ(tokens.ids.size(), 77U);
  EXPECT_EQ(tokens.ids.front(), kStart);
  EXPECT_EQ(tokens.ids.back(), kEnd);
  EXPECT_TRUE(tokens.first_lost.empty());
  EXPECT_EQ(embedded().size(), 49408);
}

TEST(ClipTokenizer, SpaceAndCaseDoNotMatter) {
  const auto plain = encode(embedded(), "a red armchair").ids;
  for (const char* text : {"A  Red\tARMCHAIR", " a\nred\r\narmchair ", "a\u00a0red\u3000armchair", "\u2003a red armchair"})
    EXPECT_EQ(encode(embedded(), text).ids, plain) << text;
}

TEST(ClipTokenizer, CanonicalFormsAreOne) {
  EXPECT_EQ(encode(embedded(), "cafe\u0301").ids, encode(embedded(), "caf\u00e9").ids);
  EXPECT_EQ(encode(embedded(), "\u0130").ids, encode(embedded(), "i\u0307").ids);  // dotted I becomes two characters
  EXPECT_NE(encode(embedded(), "\u0130").ids, encode(embedded(), "i").ids);
  EXPECT_EQ(encode(embedded(), "\u03a3\u03a3").ids, encode(embedded(), "\u03c3\u03c3").ids);  // no final sigma
}

TEST(ClipTokenizer, EmptyTexts) {
  for (const char* text : {"", " ", "\n\t \r\n"}) {
    const PromptTokens tokens = encode(embedded(), text);
    EXPECT_EQ(tokens.count, 2);
    EXPECT_TRUE(is_blank(text));
    EXPECT_EQ(std::count(tokens.ids.begin(), tokens.ids.end(), kEnd), 76);
  }
  EXPECT_FALSE(is_blank("\u200b"));  // not white space, though nobody sees it
  EXPECT_FALSE(is_blank("."));
}

TEST(ClipTokenizer, WordsAreCutAsCut) {
  // A contraction is a word of its own, but not inside of a run of signs; a number sign stands alone.
  EXPECT_EQ(inner(encode(embedded(), "it's")), inner(encode(embedded(), "it 's")));
  EXPECT_EQ(inner(encode(embedded(), "it''s")), inner(encode(embedded(), "it '' s")));
  EXPECT_EQ(inner(encode(embedded(), "12")), inner(encode(embedded(), "1 2")));
  EXPECT_EQ(inner(encode(embedded(), "m\u00b2")), inner(encode(embedded(), "m \u00b2")));
  EXPECT_EQ(inner(encode(embedded(), "a_1")), inner(encode(embedded(), "a _ 1")));
  EXPECT_EQ(inner(encode(embedded(), "'t'ree")), inner(encode(embedded(), "'t 're e")));
}

TEST(ClipTokenizer, AnyScript) {
  for (const char* text : {"\u0643\u0631\u0633\u064a \u0623\u062d\u0645\u0631", "\u5e05\u6c14\u7684\u6905\u5b50",
                           "\U0001F600 \U0001F469\u200D\U0001F680 \u2764\uFE0F", "\u202eabc\u202c"}) {
    const PromptTokens tokens = encode(embedded(), text);
    EXPECT_GT(tokens.count, 2) << text;
    EXPECT_FALSE(is_blank(text));
  }
}

TEST(ClipTokenizer, CutsAfterSeventyFiveTokensAndNamesTheFirstLostWord) {
  std::string text;
  for (int i = 0; i < 75; ++i) text += "word ";
  EXPECT_TRUE(encode(embedded(), text).first_lost.empty());
  EXPECT_EQ(encode(embedded(), text).count, 77);
  const PromptTokens tokens = encode(embedded(), text + "Extra tail");
  EXPECT_EQ(tokens.first_lost, "extra");
  EXPECT_EQ(tokens.ids, encode(embedded(), text).ids);
  EXPECT_EQ(tokens.ids.back(), kEnd);
  // A word of which only a part fits is the first one lost.
  text.clear();
  for (int i = 0; i < 74; ++i) text += "word ";
  const PromptTokens part = encode(embedded(), text + "xqzvkjw");
  EXPECT_EQ(part.first_lost, "xqzvkjw");
  EXPECT_EQ(part.count, 77);
}

TEST(ClipTokenizer, TenThousandWordsAndOneOfAMegabyte) {
  std::string words;
  for (int i = 0; i < 10'000; ++i) words += "word" + std::to_string(i) + " ";
  EXPECT_EQ(encode(embedded(), words).count, 77);
  const PromptTokens one = encode(embedded(), std::string(kMostPromptBytes, 'a'));
  EXPECT_EQ(one.count, 77);
  EXPECT_EQ(one.first_lost.size(), kMostPromptBytes);
  test::expect_error(ErrorCode::invalid_argument, {"the prompt", "1048577 bytes"},
                     [] { (void)encode(embedded(), std::string(kMostPromptBytes + 1, 'a')); });
}

TEST(ClipTokenizer, RefusesWhatIsNoUtf8) {
  for (const std::string bad : {"red \xff chair", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80", "\x80"}) {
    const std::string words = "the prompt is not UTF-8 from byte " + std::to_string(bad.starts_with("red") ? 5 : 1);
    test::expect_error(ErrorCode::invalid_argument, {words.c_str()}, [&] { (void)encode(embedded(), bad); });
  }
}

TEST(ClipTokenizer, SpecialTokensInTheTextAreThemselves) {
  EXPECT_EQ(inner(encode(embedded(), "a<|endoftext|>a")), (std::vector<std::int32_t>{320, kEnd, 320}));
  EXPECT_EQ(inner(encode(embedded(), "<|startoftext|>")), (std::vector<std::int32_t>{kStart}));
  EXPECT_GT(inner(encode(embedded(), "<|ENDOFTEXT|>")).size(), 1U);  // exactly so spelt, or it is text
}

// ---- Files of checkpoints

class TokenizerFiles : public testing::Test {
 protected:
  TokenizerFiles() {
    // The vocabulary as the reference's files have it, from the ids that the embedded tokenizer gives.
    std::vector<std::string> order;
    const std::string text = merges_.substr(merges_.find('\n') + 1);
    // Bytes that print stand for themselves, the others for the characters from U+0100 on; both as UTF-8.
    const auto prints = [](int b) { return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF); };
    const auto utf8 = [](int code) {
      if (code < 0x80) return std::string(1, static_cast<char>(code));
      return std::string{static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
    };
    std::vector<std::string> first;
    for (int b = 0; b < 256; ++b) {
      if (prints(b)) first.push_back(utf8(b));
    }
    for (int b = 0, next = 256; b < 256; ++b) {
      if (!prints(b)) first.push_back(utf8(next++));
    }
    for (const char* ending : {"", "</w>"}) {
      for (const std::string& s : first) order.push_back(s + ending);
    }
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      std::string line = text.substr(at, end - at);
      at = end + 1;
      pairs_.push_back(line);
      line.erase(line.find(' '), 1);
      order.push_back(line);
    }
    order.emplace_back("<|startoftext|>");
    order.emplace_back("<|endoftext|>");
    for (std::size_t i = 0; i < order.size(); ++i) vocabulary_[order[i]] = i;
  }

  void write_lists() const {
    write(folder_.path() / "vocab.json", vocabulary_.dump());
    write(folder_.path() / "merges.txt", merges_);
  }
  [[nodiscard]] json model(const json& merges) const {
    return {{"version", "1.0"},
            {"model",
             {{"type", "BPE"},
              {"end_of_word_suffix", "</w>"},
              {"continuing_subword_prefix", ""},
              {"vocab", vocabulary_},
              {"merges", merges}}}};
  }
  void expect_same(const ClipTokenizer& tokenizer) const {
    EXPECT_EQ(tokenizer.size(), 49408);
    for (const char* text : {"a red armchair, it's late", "xqzvkjw \u00e9\u4e00 \U0001F600", "12 m\u00b2"})
      EXPECT_EQ(encode(tokenizer, text).ids, encode(embedded(), text).ids) << text;
  }

  std::string merges_ = embedded_merges();
  json vocabulary_ = json::object();
  std::vector<std::string> pairs_;
  test::TemporaryFolder folder_;
};

TEST_F(TokenizerFiles, AFolderWithoutThemWorks) { expect_same(ClipTokenizer::open(folder_.path())); }

TEST_F(TokenizerFiles, VocabularyAndMerges) {
  write_lists();
  expect_same(ClipTokenizer::open(folder_.path()));
}

TEST_F(TokenizerFiles, TokenizerJsonInBothForms) {
  write(folder_.path() / "tokenizer.json", model(pairs_).dump());
  expect_same(ClipTokenizer::open(folder_.path()));
  json lists = json::array();
  for (const std::string& pair : pairs_) lists.push_back({pair.substr(0, pair.find(' ')), pair.substr(pair.find(' ') + 1)});
  write(folder_.path() / "tokenizer.json", model(lists).dump());
  expect_same(ClipTokenizer::open(folder_.path()));
}

TEST_F(TokenizerFiles, AnotherVocabularyIsUsed) {
  // Two ids changed places.
  std::swap(vocabulary_["cat</w>"], vocabulary_["dog</w>"]);
  write_lists();
  EXPECT_EQ(encode(ClipTokenizer::open(folder_.path()), "cat").ids, encode(embedded(), "dog").ids);
}

TEST_F(TokenizerFiles, DamagedFilesAreRefusedByName) {
  const auto refused = [&](ErrorCode code, std::initializer_list<const char*> words) {
    test::expect_error(code, words, [&] { (void)ClipTokenizer::open(folder_.path()); });
  };
  const fs::path vocabulary = folder_.path() / "vocab.json";
  const fs::path merges = folder_.path() / "merges.txt";
  write(vocabulary, vocabulary_.dump());
  write(merges, "#version: 0.2\ni n\nno pair at all\n");
  refused(ErrorCode::format, {"merges.txt", "line 3"});
  write(merges, "#version: 0.2\ni n\nzzzzqqqq a\n");
  refused(ErrorCode::format, {"no token zzzzqqqq"});
  write(merges, merges_);
  json bad = vocabulary_;
  bad["cat</w>"] = 49408;
  write(vocabulary, bad.dump());
  refused(ErrorCode::format, {"vocab.json", "cat</w>", "49408"});
  bad["cat</w>"] = vocabulary_["dog</w>"];
  write(vocabulary, bad.dump());
  refused(ErrorCode::format, {"vocab.json"});
  write(vocabulary, "{\"a\": 0, ");
  refused(ErrorCode::format, {"vocab.json", "not valid JSON"});
  write(vocabulary, "[]");
  refused(ErrorCode::format, {"vocab.json"});
  write(folder_.path() / "tokenizer.json", "{}");
  refused(ErrorCode::format, {"tokenizer.json", "model.vocab"});
  json other = model(pairs_);
  other["model"]["type"] = "WordPiece";
  write(folder_.path() / "tokenizer.json", other.dump());
  refused(ErrorCode::unsupported, {"tokenizer.json", "not a tokenizer of CLIP"});
  write(folder_.path() / "tokenizer.json", model({1, 2}).dump());
  refused(ErrorCode::format, {"tokenizer.json", "not a pair"});
}

}  // namespace
}  // namespace espalier
