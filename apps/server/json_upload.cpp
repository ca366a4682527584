#include "json_upload.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <set>

#include "base/json.h"
#include "base64.h"
#include "job_options.h"

namespace espalier::server {

namespace {

constexpr std::size_t kLongestKey = 256;

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw HttpError(400, "invalid_argument", what, hint);
}

[[noreturn]] void malformed(const std::string& what) {
  refuse("the body is not valid JSON: " + what, "send one JSON object as RFC 8259 describes it, and nothing behind it");
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// The text of a JSON string token, with its quotation marks.
std::string text_of_token(const std::string& token) {
  std::string problem;
  const Json value = read_json<Json>(token, {.bytes = token.size(), .values = 1, .string = token.size(), .depth = 1}, problem);
  if (!value.is_string()) malformed("a text " + clean_name(problem));
  return value.get<std::string>();
}

// The characters of a body, with what is needed of JSON to find the ends of its values.
class Reader {
 public:
  using Piece = std::function<void(std::string_view)>;

  explicit Reader(Body& body) : body_(body) {}

  // The next character that is not white space, which stays; '\0' at the end.
  char peek() {
    while (true) {
      if (!fill()) return '\0';
      if (!is_space(block_.at(at_))) return block_.at(at_);
      ++at_;
    }
  }
  // Takes it, if it is this one.
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) malformed(std::string("there is no ") + c + " where one must be");
  }

  // The next value as it stands, of at most `limit` bytes; `what` names it.
  std::string value(const std::string& what, std::size_t limit) {
    std::string text;
    std::size_t depth = 0;
    const char first = peek();
    if (first == ',' || first == '}' || first == ']' || first == ':' || first == '\0') malformed(what + " has no value");
    while (true) {
      if (depth == 0 && !text.empty() && ends_word(first)) return text;
      const char c = next();
      append(text, c, what, limit);
      if (c == '"') {
        rest_of_string(text, what, limit);
        if (depth == 0) return text;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']') && --depth == 0) {
        return text;
      }
    }
  }

  // The name of a member.
  std::string key() {
    const char first = peek();
    if (first != '"' && first != '\0') malformed("a key is not a text in quotation marks");
    return string("a key", kLongestKey);
  }

  // The next value, which must be a string, decoded.
  std::string string(const std::string& what, std::size_t limit) {
    if (peek() == '\0') malformed("it ends too early");
    if (peek() != '"') refuse(what + " is not a text", "see /openapi.json");
    return text_of_token(value(what, limit));
  }

  // The next value, a string of ASCII, in pieces as it comes.
  void string_to(const std::string& what, const Piece& piece) {
    if (peek() == '\0') malformed("it ends too early");
    if (peek() != '"') refuse(what + " is not a text of base64", "send base64, or a data: URL of it");
    ++at_;
    while (true) {
      if (!fill()) malformed("it ends too early");
      const char* const begin = block_.data() + at_;
      const char* const rest = block_.data() + size_;
      const char* const end =
          std::find_if(begin, rest, [](char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; });
      if (end != begin) piece({begin, static_cast<std::size_t>(end - begin)});
      at_ += static_cast<std::size_t>(end - begin);
      if (at_ == size_) continue;
      const char c = next();
      if (c == '"') return;
      if (c != '\\') malformed(what + " has a control character");
      const char plain = escaped(what);
      piece({&plain, 1});
    }
  }

  // Nothing but white space may follow.
  void finish() {
    if (peek() != '\0' || !body_.finished()) malformed("something follows its object");
  }

 private:
  bool fill() {
    if (at_ < size_) return true;
    at_ = 0;
    size_ = body_.read(block_);
    return size_ > 0;
  }
  char next() {
    if (!fill()) malformed("it ends too early");
    return block_.at(at_++);
  }
  static void append(std::string& text, char c, const std::string& what, std::size_t limit) {
    if (text.size() >= limit)
      throw HttpError(413, "too_large", what + " has more than " + std::to_string(limit) + " bytes", "send less");
    text += c;
  }
  void rest_of_string(std::string& text, const std::string& what, std::size_t limit) {
    for (bool escape = false;;) {
      const char c = next();
      append(text, c, what, limit);
      if (c == '"' && !escape) return;
      escape = c == '\\' && !escape;
    }
  }
  // A number or a word has no end of its own.
  bool ends_word(char first) {
    if (first == '{' || first == '[' || first == '"') return false;
    if (!fill()) return true;
    const char c = block_.at(at_);
    return is_space(c) || c == ',' || c == '}' || c == ']';
  }
  // Behind a backslash. Some programs escape / and +, which they need not.
  char escaped(const std::string& what) {
    const char c = next();
    if (c == 'n' || c == 'r' || c == 't') return '\n';
    if (c != 'u') return c;
    std::string token = "\"\\u";
    for (int i = 0; i < 4; ++i) token += next();
    const std::string text = text_of_token(token + "\"");
    if (text.size() != 1) refuse(what + " has a character that is not base64", "send base64, or a data: URL of it");
    return text.front();
  }

  Body& body_;
  std::array<char, 16384> block_{};
  std::size_t at_ = 0, size_ = 0;
};

// What stands before the base64 of a data URL, and whether it is one.
class Start {
 public:
  // What of `text` belongs to the base64, once that is known.
  std::string_view strip(std::string_view text, const std::string& what) {
    constexpr std::string_view kScheme = "data:";
    constexpr std::size_t kLongest = 256;
    if (known_) return text;
    const std::size_t before = head_.size();
    head_ += text.substr(0, kLongest + 1 - std::min(before, kLongest));
    if (head_.size() < kScheme.size() && kScheme.starts_with(lower_case(head_))) return {};
    if (lower_case(head_.substr(0, kScheme.size())) != kScheme) {
      if (head_.starts_with("http://") || head_.starts_with("https://")) {
        refuse(what + " is an address, and this server fetches nothing", "send the file itself, in base64");
      }
      return known(text, before);
    }
    const auto comma = head_.find(',');
    if (comma == std::string::npos) {
      if (head_.size() > kLongest)
        refuse(what + " is a data: URL without an end of its head", "send data:image/png;base64,...");
      return {};
    }
    if (!lower_case(head_.substr(0, comma)).ends_with(";base64"))
      refuse(what + " is a data: URL of another encoding than base64", "send data:image/png;base64,...");
    known_ = true;
    return text.substr(comma + 1 - before);
  }
  // A text that ended before it was known is none of a data URL, or its beginning alone.
  [[nodiscard]] std::string_view rest() const { return known_ ? std::string_view{} : std::string_view(head_); }

 private:
  // Not a data URL: what was held back comes first.
  std::string_view known(std::string_view text, std::size_t before) {
    known_ = true;
    if (before == 0) return text;
    held_ = head_.substr(0, before);
    held_ += text;
    return held_;
  }

  std::string head_, held_;
  bool known_ = false;
};

class JsonUpload {
 public:
  JsonUpload(Body& body, const UploadRules& rules) : reader_(body), rules_(rules) { upload_.images.reserve(rules.images); }

  Upload read() {
    reader_.expect('{');
    for_each_member("the body", [&](const std::string& key) { member(key); });
    reader_.finish();
    place_masks();
    return std::move(upload_);
  }

 private:
  static bool listed(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  // Behind the { of an object.
  template <class Work>
  void for_each_member(const std::string& what, Work work) {
    std::set<std::string> seen;
    if (reader_.take('}')) return;
    do {
      const std::string key = reader_.key();
      if (!seen.insert(key).second) refuse(what + " has the key \"" + clean_name(shortened(key)) + "\" twice", "give it once");
      reader_.expect(':');
      work(key);
    } while (reader_.take(','));
    reader_.expect('}');
  }
  // Behind the [ of a list.
  template <class Work>
  void for_each_item(Work work) {
    if (reader_.take(']')) return;
    do {
      work();
    } while (reader_.take(','));
    reader_.expect(']');
  }

  void member(const std::string& key) {
    constexpr std::size_t kLongestText = 65536;
    if (key == "image" && rules_.images > 0) {
      reader_.take('[') ? for_each_item([&] { image(); }) : image();
    } else if (key == "mask" && rules_.images > 0) {
      reader_.take('[') ? for_each_item([&] { mask(); }) : mask();
    } else if (listed(rules_.sources, key)) {
      std::string name;
      IncomingFile incoming = file(key, name, nullptr);
      upload_.sources.emplace(key, Upload::Source{std::move(incoming), clean_name(name)});
    } else if (listed(rules_.values, key)) {
      upload_.texts[key] = reader_.value(key, kLongestText);
    } else if (listed(rules_.texts, key)) {
      upload_.texts[key] = reader_.string(key, kLongestText);
    } else {
      refuse("\"" + clean_name(shortened(key)) + "\" means nothing here", "see /openapi.json for what there is");
    }
  }

  void image() {
    const std::size_t index = upload_.images.size();
    if (index >= rules_.images) refuse("more than " + std::to_string(rules_.images) + " images were sent", "send fewer");
    std::string name;
    std::optional<IncomingFile> with_mask;
    upload_.images.push_back(file("image", name, &with_mask));
    upload_.image_names.push_back(name.empty() ? "image" : clean_name(name));
    if (with_mask) upload_.masks.emplace(index, *std::move(with_mask));
  }

  void mask() {
    if (masks_.size() >= rules_.images) refuse("more than " + std::to_string(rules_.images) + " masks were sent", "send fewer");
    if (reader_.peek() == 'n') {
      if (reader_.value("mask", kLongestKey) != "null") malformed("a word is none of null, true and false");
      masks_.emplace_back();
    } else {
      masks_.emplace_back(encoded("mask"));
    }
  }

  // Masks may stand before their images.
  void place_masks() {
    for (std::size_t i = 0; i < masks_.size(); ++i) {
      if (!masks_[i]) continue;
      if (i >= upload_.images.size()) refuse("there are more masks than images", "send a mask for each image, or null");
      if (upload_.masks.contains(i)) refuse("an image has more than one mask", "send one");
      upload_.masks.emplace(i, *std::move(masks_[i]));
    }
  }

  // A text, or an object with it. `with_mask`: where a mask goes that comes with it; null where none may.
  IncomingFile file(const std::string& what, std::string& name, std::optional<IncomingFile>* with_mask) {
    if (!reader_.take('{')) return encoded(what);
    std::optional<IncomingFile> data;
    for_each_member(what, [&](const std::string& key) {
      if (key == "data") {
        data.emplace(encoded(what + ".data"));
      } else if (key == "name") {
        name = reader_.string(what + ".name", 4096);
      } else if (key == "mask" && with_mask != nullptr) {
        with_mask->emplace(encoded(what + ".mask"));
      } else {
        refuse(what + ": \"" + clean_name(shortened(key)) + "\" means nothing here", "give data and name");
      }
    });
    if (!data) refuse(what + " has no data", "give the file as data, in base64");
    return *std::move(data);
  }

  IncomingFile encoded(const std::string& what) {
    IncomingFile file(rules_.folder);
    Start start;
    Base64Decoder decoder;
    std::string bytes;
    const auto take = [&](std::string_view text) {
      decoder.decode(text, bytes);
      file.write(bytes);
      bytes.clear();
    };
    try {
      reader_.string_to(what, [&](std::string_view text) { take(start.strip(text, what)); });
      take(start.rest());
      decoder.finish();
    } catch (const Base64Error& error) {
      refuse(what + " " + error.what(), error.hint());
    }
    file.finish();
    return file;
  }

  Reader reader_;
  const UploadRules& rules_;
  Upload upload_;
  std::vector<std::optional<IncomingFile>> masks_;  // by number; nothing for null
};

}  // namespace

bool is_json(const RequestHead& head) {
  const std::string type = head.header("content-type");
  return lower_case(trimmed(std::string_view(type).substr(0, type.find(';')))) == "application/json";
}

Upload read_json_upload(HttpRequest& request, const UploadRules& rules) {
  return JsonUpload(request.open_body(rules.bytes), rules).read();
}

}  // namespace espalier::server
