#include "text/clip_tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <queue>
#include <tuple>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/unicode.h"
#include "text/vocabulary.h"

namespace espalier {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::string_view kStart = "<|startoftext|>", kEnd = "<|endoftext|>", kWordEnd = "</w>";
constexpr std::uint64_t kMaxFile = std::uint64_t{16} << 20U;
constexpr JsonLimits kLimits{.bytes = kMaxFile, .values = 1'000'000, .depth = 16};
constexpr std::size_t kMaxMerges = 1U << 20U;

// Bytes as visible characters, as GPT-2's vocabulary spells them: those that print stand for themselves.
constexpr bool prints(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}
std::array<std::string, 256> byte_symbols() {
  std::array<std::string, 256> symbols;
  char32_t next = 256;
  for (int byte = 0; byte < 256; ++byte)
    append_utf8(prints(byte) ? static_cast<char32_t>(byte) : next++, symbols.at(static_cast<std::size_t>(byte)));
  return symbols;
}

std::string text_of(const fs::path& file) {
  const std::vector<std::byte> bytes = read_file(file, kMaxFile);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
json json_of(const fs::path& file) {
  std::string problem;
  json parsed = read_json<json>(text_of(file), kLimits, problem);
  if (!problem.empty()) fail(ErrorCode::format, file.string(), ": ", problem, hint("fetch it again"));
  return parsed;
}

std::unordered_map<std::string, std::int32_t> vocabulary_of(const std::string& where, const json& table) {
  if (!table.is_object() || table.empty()) fail(ErrorCode::format, where, ": the vocabulary is not an object of tokens");
  std::unordered_map<std::string, std::int32_t> ids;
  std::vector<bool> used(table.size());
  for (const auto& [token, id] : table.items()) {
    const bool good = id.is_number_unsigned() && id.get<std::uint64_t>() < table.size() && !used[id.get<std::size_t>()];
    if (!good) {
      fail(ErrorCode::format, where, ": token ", shortened(token, 40), " has the id ", shortened(id.dump(), 40),
           hint("ids must be the numbers from 0 on, each once"));
    }
    used[id.get<std::size_t>()] = true;
    ids.emplace(token, id.get<std::int32_t>());
  }
  return ids;
}

// The lines of a merges.txt behind its version, as pairs.
template <class Pair>
std::vector<Pair> pairs_of(const std::string& where, std::string_view text) {
  std::vector<Pair> pairs;
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool version = std::exchange(first, false) && line.find("#version") != std::string_view::npos;
    if (version || line.empty()) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || space == 0 || space + 1 == line.size() ||
        line.find(' ', space + 1) != std::string_view::npos || pairs.size() == kMaxMerges)
      fail(ErrorCode::format, where, ": line ", pairs.size() + 2, " is not a pair of tokens", hint("fetch it again"));
    pairs.push_back({line.substr(0, space), line.substr(space + 1)});
  }
  return pairs;
}

// The vocabulary that follows from the merges, in the order that CLIP gives its ids.
template <class Pair>
std::unordered_map<std::string, std::int32_t> ids_of(const std::vector<Pair>& merges) {
  std::unordered_map<std::string, std::int32_t> ids;
  std::int32_t next = 0;
  const std::array<std::string, 256> symbols = byte_symbols();
  for (const std::string_view ending : {std::string_view(), kWordEnd}) {
    for (const bool printing : {true, false}) {
      for (int byte = 0; byte < 256; ++byte) {
        if (prints(byte) == printing) ids.emplace(str(symbols.at(static_cast<std::size_t>(byte)), ending), next++);
      }
    }
  }
  for (const Pair& pair : merges) ids.emplace(str(pair.left, pair.right), next++);
  ids.emplace(kStart, next++);
  ids.emplace(kEnd, next);
  return ids;
}

constexpr std::uint64_t key_of(std::int32_t left, std::int32_t right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32U | static_cast<std::uint32_t>(right);
}

// One past the word that begins at `at`, which is no white space.
std::size_t end_of_word(const std::vector<char32_t>& text, std::size_t at) {
  if (text[at] == U'\'') {
    for (const std::u32string_view ending : {U"s", U"t", U"re", U"ve", U"m", U"ll", U"d"}) {
      const std::size_t size = ending.size();
      if (at + size < text.size() &&
          std::equal(ending.begin(), ending.end(), text.begin() + static_cast<std::ptrdiff_t>(at) + 1))
        return at + 1 + size;
    }
  }
  const CharacterClass kind = class_of(text[at]);
  std::size_t end = at + 1;
  while (kind != CharacterClass::number && end < text.size() && class_of(text[end]) == kind) ++end;
  return end;
}

// The next special token in the text, and the place where it begins; the end of the text where there is none.
struct Special {
  std::size_t at;
  std::string_view token;
};
Special next_special(std::string_view text) {
  Special found{text.size(), {}};
  for (const std::string_view token : {kStart, kEnd}) {
    if (const std::size_t at = text.find(token); at < found.at) found = {at, token};
  }
  return found;
}

}  // namespace

void check_prompt_text(std::string_view text, const std::string& what) {
  if (text.size() > kMostPromptBytes) {
    fail(ErrorCode::invalid_argument, what, " has ", text.size(), " bytes", hint("at most ", kMostPromptBytes, " are read"));
  }
  const std::size_t bad = first_bad_byte(text);
  if (bad != std::string_view::npos) {
    fail(ErrorCode::invalid_argument, what, " is not UTF-8 from byte ", bad + 1, " on",
         hint("convert it, with iconv for example"));
  }
}

bool is_blank(std::string_view text) {
  const std::vector<char32_t> characters = normal_lower_case(text);
  return std::all_of(characters.begin(), characters.end(), [](char32_t c) { return class_of(c) == CharacterClass::space; });
}

ClipTokenizer::ClipTokenizer(const std::string& where, const Ids& ids, const std::vector<Pair>& merges)
    : size_(static_cast<std::int64_t>(ids.size())) {
  const auto id_of = [&](const std::string& token) {
    const auto found = ids.find(token);
    if (found == ids.end()) {
      fail(ErrorCode::format, where, ": the vocabulary has no token ", shortened(token, 40), hint("fetch the files again"));
    }
    return found->second;
  };
  const std::array<std::string, 256> symbols = byte_symbols();
  for (std::size_t byte = 0; byte < symbols.size(); ++byte) {
    inner_.at(byte) = id_of(symbols.at(byte));
    last_.at(byte) = id_of(str(symbols.at(byte), kWordEnd));
  }
  merges_.reserve(merges.size());
  std::int32_t rank = 0;
  for (const Pair& pair : merges) {
    const std::uint64_t key = key_of(id_of(std::string(pair.left)), id_of(std::string(pair.right)));
    merges_.emplace(key, Merge{rank++, id_of(str(pair.left, pair.right))});
  }
  start_ = id_of(std::string(kStart));
  end_ = id_of(std::string(kEnd));
}

ClipTokenizer ClipTokenizer::embedded() {
  const std::string text = embedded_merges();
  const std::string where = "the embedded vocabulary";
  const auto merges = pairs_of<Pair>(where, text);
  return {where, ids_of(merges), merges};
}

ClipTokenizer ClipTokenizer::open(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder / "tokenizer.json", ignored)) return from_tokenizer_json(folder / "tokenizer.json");
  if (fs::exists(folder / "vocab.json", ignored) && fs::exists(folder / "merges.txt", ignored))
    return from_lists(folder / "vocab.json", folder / "merges.txt");
  return embedded();
}

ClipTokenizer ClipTokenizer::from_lists(const fs::path& vocabulary, const fs::path& merges) {
  const std::string text = text_of(merges);
  return {vocabulary.string(), vocabulary_of(vocabulary.string(), json_of(vocabulary)), pairs_of<Pair>(merges.string(), text)};
}

ClipTokenizer ClipTokenizer::from_tokenizer_json(const fs::path& file) {
  const std::string where = file.string();
  const json whole = json_of(file);
  const json model = whole.is_object() ? whole.value("model", json()) : json();
  if (!model.is_object() || !model.contains("vocab") || !model.contains("merges") || !model["merges"].is_array())
    fail(ErrorCode::format, where, ": model.vocab or model.merges is missing");
  const auto word = [&](const char* key) {
    return model.contains(key) && model[key].is_string() ? model[key].get<std::string>() : "";
  };
  if (word("type") != "BPE" || word("end_of_word_suffix") != kWordEnd || !word("continuing_subword_prefix").empty()) {
    fail(ErrorCode::unsupported, where, ": not a tokenizer of CLIP",
         hint("a model of the type BPE whose words end with ", kWordEnd, " is needed"));
  }
  std::vector<Pair> merges;
  for (const json& merge : model["merges"]) {
    // "a b", or ["a", "b"] of later versions.
    const bool listed = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    if (listed) {
      merges.push_back({merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()});
      continue;
    }
    if (!merge.is_string()) fail(ErrorCode::format, where, ": model.merges holds what is not a pair of tokens");
    for (const Pair& pair : pairs_of<Pair>(where, merge.get_ref<const std::string&>())) merges.push_back(pair);
  }
  return {where, vocabulary_of(where, model["vocab"]), merges};
}

std::vector<std::int32_t> ClipTokenizer::encode_word(std::string_view word) const {
  struct Symbol {
    std::int32_t id = 0, before = -1, after = -1;  // places of its neighbours
  };
  const auto size = static_cast<std::int32_t>(word.size());
  std::vector<Symbol> symbols(word.size());
  for (std::int32_t i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(word[static_cast<std::size_t>(i)]);
    symbols[static_cast<std::size_t>(i)] = {i + 1 == size ? last_.at(byte) : inner_.at(byte), i - 1,
                                            i + 1 == size ? -1 : i + 1};
  }
  const auto at = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  // Pairs by rank, those of one rank from the left; what they would join is compared again when their turn comes.
  using Waiting = std::tuple<std::int32_t, std::int32_t, std::int32_t, std::int32_t>;  // rank, place, both ids
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> queue;
  const auto consider = [&](std::int32_t left) {
    if (left < 0 || at(left).after < 0) return;
    const std::int32_t a = at(left).id;
    const std::int32_t b = at(at(left).after).id;
    if (const auto found = merges_.find(key_of(a, b)); found != merges_.end()) queue.emplace(found->second.rank, left, a, b);
  };
  for (std::int32_t i = 0; i < size; ++i) consider(i);
  while (!queue.empty()) {
    const auto [rank, left, a, b] = queue.top();
    queue.pop();
    Symbol& first = at(left);
    if (first.id != a || first.after < 0 || at(first.after).id != b) continue;
    Symbol& second = at(first.after);
    first.id = merges_.at(key_of(a, b)).joined;
    first.after = second.after;
    second.id = -1;
    if (first.after >= 0) at(first.after).before = left;
    consider(first.before);
    consider(left);
  }
  std::vector<std::int32_t> ids;
  for (std::int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = at(i).after) ids.push_back(at(i).id);
  return ids;
}

PromptTokens ClipTokenizer::encode(std::string_view text, std::int64_t length, const std::string& what) const {
  require(length >= 2, "ClipTokenizer::encode", "a length of ", length);
  check_prompt_text(text, what);
  PromptTokens out;
  out.ids.push_back(start_);
  const auto room = [&] { return length - 1 - static_cast<std::int64_t>(out.ids.size()); };
  // True until a word does not fit.
  const auto take = [&](const std::vector<std::int32_t>& ids, std::string word) {
    const auto fits = std::min<std::int64_t>(room(), static_cast<std::int64_t>(ids.size()));
    out.ids.insert(out.ids.end(), ids.begin(), ids.begin() + fits);
    if (fits < static_cast<std::int64_t>(ids.size())) out.first_lost = std::move(word);
    return out.first_lost.empty();
  };
  const auto take_words = [&](std::string_view part) {
    const std::vector<char32_t> characters = normal_lower_case(part);
    for (std::size_t i = 0; i < characters.size();) {
      if (class_of(characters[i]) == CharacterClass::space) {
        ++i;
        continue;
      }
      const std::size_t end = end_of_word(characters, i);
      std::string word = to_utf8(characters.data() + i, characters.data() + end);
      const std::vector<std::int32_t> ids = encode_word(word);
      if (!take(ids, std::move(word))) return false;
      i = end;
    }
    return true;
  };
  for (bool more = true; more && !text.empty();) {
    const Special special = next_special(text);
    more = take_words(text.substr(0, special.at));
    if (more && !special.token.empty()) more = take({special.token == kStart ? start_ : end_}, std::string(special.token));
    text.remove_prefix(special.at + special.token.size());
  }
  out.ids.push_back(end_);
  out.count = static_cast<int>(out.ids.size());
  out.ids.resize(static_cast<std::size_t>(length), end_);
  return out;
}

}  // namespace espalier
