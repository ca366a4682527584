#include "io/formats/xml_reader.h"

namespace espalier::reader {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view without_prefix(std::string_view name) {
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

}  // namespace

bool XmlReader::next() {
  for (;;) {
    const std::size_t at = text_.find('<');
    if (at == std::string_view::npos) return false;
    text_.remove_prefix(at + 1);
    if (text_.starts_with("!DOCTYPE")) source_.damaged("its XML has a document type, which may hide anything");
    const bool comment = text_.starts_with("!--"), data = text_.starts_with("![CDATA["), declaration = text_.starts_with("?");
    if (!comment && !data && !declaration) break;
    const std::string_view end = comment ? "-->" : data ? "]]>" : "?>";
    const std::size_t over = text_.find(end);
    if (over == std::string_view::npos) return false;
    text_.remove_prefix(over + end.size());
  }
  closes_ = text_.starts_with("/");
  if (closes_) text_.remove_prefix(1);
  const std::size_t end = text_.find_first_of(" \t\r\n/>");
  if (end == std::string_view::npos) source_.damaged("its XML ends inside a tag");
  name_ = without_prefix(text_.substr(0, end));
  text_.remove_prefix(end);
  attributes_.clear();
  empty_ = false;
  constexpr std::size_t kMost = 64;
  for (;;) {
    text_.remove_prefix(std::min(text_.find_first_not_of(kBlanks), text_.size()));
    if (text_.empty()) source_.damaged("its XML ends inside a tag");
    if (text_.front() == '>') break;
    if (text_.front() == '/') {
      empty_ = true;
      text_.remove_prefix(1);
      continue;
    }
    const std::size_t equals = text_.find('=');
    if (equals == std::string_view::npos) source_.damaged("its XML has a damaged tag");
    const std::string_view key = without_prefix(trimmed(text_.substr(0, equals)));
    text_.remove_prefix(equals + 1);
    text_.remove_prefix(std::min(text_.find_first_not_of(kBlanks), text_.size()));
    if (text_.empty() || (text_.front() != '"' && text_.front() != '\'')) source_.damaged("its XML has a damaged tag");
    const std::size_t close = text_.find(text_.front(), 1);
    if (close == std::string_view::npos || attributes_.size() == kMost) source_.damaged("its XML has a damaged tag");
    attributes_.emplace_back(key, text_.substr(1, close - 1));
    text_.remove_prefix(close + 1);
  }
  text_.remove_prefix(1);
  constexpr int kDeepest = 256;  // a 3MF file has seven levels
  if (!empty_) depth_ += closes_ ? -1 : 1;
  if (depth_ > kDeepest) source_.damaged("its XML has elements in each other to more than ", kDeepest, " levels");
  return true;
}

std::string_view XmlReader::attribute(std::string_view name) const {
  for (const auto& [key, value] : attributes_) {
    if (key == name) return value;
  }
  return {};
}

std::string XmlReader::text(std::string_view name) const {
  constexpr std::array<std::pair<std::string_view, char>, 5> kNamed = {
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string out;
  std::string_view value = attribute(name);
  while (!value.empty()) {
    std::size_t used = 1;
    char c = value.front();
    for (const auto& [reference, meant] : kNamed) {
      if (value.starts_with(reference)) {
        used = reference.size();
        c = meant;
      }
    }
    out += c;
    value.remove_prefix(used);
  }
  return out;
}

}  // namespace espalier::reader
