// CLIP's tokenizer (Radford et al. 2021): byte-level byte-pair encoding of lower-case words. It gives the ids of Hugging Face's
// fast tokenizer of openai/clip-vit-large-patch14, token for token.
//
// A text is brought into Unicode's form NFC, then lower case character by character. White space ends words; a word is a run of
// letters, one number sign, a run of other signs, or a contraction ('s 't 're 've 'm 'll 'd). Each word's bytes are joined pair
// by pair in the order of the merges.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace espalier {

inline constexpr std::size_t kMostPromptBytes = std::size_t{1} << 20U;

// Throws invalid_argument for a text that is longer than kMostPromptBytes or is not UTF-8, naming the first bad byte. `what`
// names the text: "the prompt".
void check_prompt_text(std::string_view text, const std::string& what);

// True for a text without anything but white space.
[[nodiscard]] bool is_blank(std::string_view text);

struct PromptTokens {
  std::vector<std::int32_t> ids;  // start, the text's tokens, end, and again the end up to the length
  int count = 0;                  // of these before the padding, start and end included
  std::string first_lost;         // the first word that did not fit, in lower case; empty: all did
};

class ClipTokenizer {
 public:
  // The vocabulary that the program brings.
  [[nodiscard]] static ClipTokenizer embedded();
  // That of a checkpoint: tokenizer.json, else vocab.json with merges.txt; the embedded one where the folder has neither.
  // Throws format or unsupported naming the file.
  [[nodiscard]] static ClipTokenizer open(const std::filesystem::path& folder);

  // `length` ids, at least 2. Throws as check_prompt_text does.
  [[nodiscard]] PromptTokens encode(std::string_view text, std::int64_t length, const std::string& what) const;
  // All ids are below.
  [[nodiscard]] std::int64_t size() const { return size_; }

 private:
  struct Merge {
    std::int32_t rank = 0, joined = 0;
  };
  using Ids = std::unordered_map<std::string, std::int32_t>;
  struct Pair {
    std::string_view left, right;
  };

  // `where` names the file in errors; a pair that the vocabulary does not know is one.
  ClipTokenizer(const std::string& where, const Ids& ids, const std::vector<Pair>& merges);
  static ClipTokenizer from_tokenizer_json(const std::filesystem::path& file);
  static ClipTokenizer from_lists(const std::filesystem::path& vocabulary, const std::filesystem::path& merges);
  [[nodiscard]] std::vector<std::int32_t> encode_word(std::string_view word) const;

  std::array<std::int32_t, 256> inner_{}, last_{};  // ids of single bytes, inside a word and at its end
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::int32_t start_ = 0, end_ = 0;
  std::int64_t size_ = 0;
};

}  // namespace espalier
