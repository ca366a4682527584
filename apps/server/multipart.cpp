#include "multipart.h"

#include <algorithm>
#include <array>

namespace espalier::server {
namespace {

[[noreturn]] void malformed(const std::string& what) {
  throw HttpError(400, "invalid_argument", "the multipart body is malformed: " + what,
                  "send multipart/form-data as RFC 7578 describes it");
}

// The value of a parameter, such as name of  form-data; name="image"; filename="a.png"  .
std::string parameter(std::string_view text, std::string_view wanted) {
  auto at = text.find(';');
  while (at != std::string_view::npos) {
    text = trimmed(text.substr(at + 1));
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return {};
    const std::string name = lower_case(trimmed(text.substr(0, equals)));
    text = trimmed(text.substr(equals + 1));
    std::string value;
    if (!text.empty() && text.front() == '"') {
      std::size_t i = 1;
      for (; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
        value += text[i];
      }
      if (i >= text.size()) malformed("a quotation mark is missing");
      text.remove_prefix(i + 1);
      at = text.find(';');
    } else {
      at = text.find(';');
      value = trimmed(text.substr(0, at));
    }
    if (name == wanted) return value;
  }
  return {};
}

// The value of name*=UTF-8''a%20b.png (RFC 8187); empty when it is another character set or broken.
std::string decoded_parameter(const std::string& value) {
  const auto first = value.find('\'');
  const auto second = first == std::string::npos ? first : value.find('\'', first + 1);
  if (second == std::string::npos || lower_case(value.substr(0, first)) != "utf-8") return {};
  return percent_decoded(std::string_view(value).substr(second + 1)).value_or(std::string());
}

PartHead parse_part_head(std::string_view text) {
  PartHead head;
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) malformed("a header of a part has no name");
    const std::string name = lower_case(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (name == "content-disposition") {
      if (lower_case(value.substr(0, value.find(';'))) != "form-data") malformed("a part is not form-data");
      head.name = parameter(value, "name");
      head.filename = parameter(value, "filename");
      // RFC 7578 asks clients not to send it; those that do mean it.
      if (const std::string extended = decoded_parameter(parameter(value, "filename*")); !extended.empty())
        head.filename = extended;
    } else if (name == "content-type") {
      head.content_type = lower_case(trimmed(value.substr(0, value.find(';'))));
    }
  }
  if (head.name.empty()) malformed("a part has no name");
  return head;
}

// The bytes of the body with as much looked ahead as a delimiter is long.
class Reader {
 public:
  Reader(Body& body, const std::string& boundary) : body_(body), delimiter_("\r\n--" + boundary) {
    buffer_ = "\r\n";  // the first delimiter may stand at the very beginning
  }

  // Hands out what stands before the next delimiter, and takes the delimiter.
  template <class Use>
  void until_delimiter(Use use) {
    while (true) {
      const auto found = buffer_.find(delimiter_);
      if (found != std::string::npos) {
        use(std::string_view(buffer_).substr(0, found));
        buffer_.erase(0, found + delimiter_.size());
        return;
      }
      const std::size_t safe = buffer_.size() - std::min(buffer_.size(), delimiter_.size() - 1);
      use(std::string_view(buffer_).substr(0, safe));
      buffer_.erase(0, safe);
      more();
    }
  }
  // What stands before `end`, which is taken, too.
  std::string until(std::string_view end, std::size_t limit) {
    while (true) {
      const auto found = buffer_.find(end);
      if (found != std::string::npos && found <= limit) {
        std::string text = buffer_.substr(0, found);
        buffer_.erase(0, found + end.size());
        return text;
      }
      if (buffer_.size() > limit) malformed("the headers of a part are too long");
      more();
    }
  }
  std::string take(std::size_t n) {
    while (buffer_.size() < n) more();
    std::string text = buffer_.substr(0, n);
    buffer_.erase(0, n);
    return text;
  }
  // Reads and forgets what follows the last delimiter.
  void finish() {
    std::array<char, 4096> bytes{};
    while (body_.read(bytes) > 0) {
    }
  }

 private:
  void more() {
    std::array<char, 65536> bytes{};
    const std::size_t n = body_.read(bytes);
    if (n == 0) malformed("it ends before its closing delimiter");
    buffer_.append(bytes.data(), n);
  }

  Body& body_;
  std::string delimiter_, buffer_;
};

}  // namespace

std::string multipart_boundary(const std::string& content_type) {
  const std::string kind = lower_case(trimmed(std::string_view(content_type).substr(0, content_type.find(';'))));
  const HttpError refused(415, "unsupported", "the content type is not multipart/form-data with a boundary",
                          "send images as parts named image of a multipart/form-data body, or a body of application/json, see "
                          "/openapi.json");
  if (kind != "multipart/form-data") throw refused;
  std::string boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > 70) throw refused;
  return boundary;
}

void read_multipart(Body& body, const std::string& boundary, const std::function<void(const PartHead&)>& begin,
                    const std::function<void(std::string_view)>& data, const MultipartLimits& limits) {
  Reader reader(body, boundary);
  reader.until_delimiter([](std::string_view) {});
  for (int parts = 0;; ++parts) {
    const std::string after = reader.take(2);
    if (after == "--") break;
    if (after != "\r\n") malformed("a delimiter is not followed by a line break");
    if (parts >= limits.parts) malformed("it has more than " + std::to_string(limits.parts) + " parts");
    begin(parse_part_head(reader.until("\r\n\r\n", limits.head_bytes)));
    reader.until_delimiter([&](std::string_view bytes) {
      if (!bytes.empty()) data(bytes);
    });
  }
  reader.finish();
}

}  // namespace espalier::server
