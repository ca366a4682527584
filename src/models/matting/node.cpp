#include "models/matting/node.h"

#include <algorithm>

namespace espalier {

void NodeReader::allow(std::initializer_list<std::string_view> names) const {
  for (const OnnxAttribute& attribute : node_.attributes) {
    if (std::find(names.begin(), names.end(), attribute.name) == names.end()) {
      unsupported("the attribute ", printable(attribute.name));
    }
  }
}

const OnnxAttribute* NodeReader::find(std::string_view name, OnnxAttribute::Kind kind) const {
  const OnnxAttribute* attribute = node_.find(name);
  if (attribute != nullptr && attribute->kind != kind) broken("the attribute ", name, " has a value of the wrong kind");
  return attribute;
}

std::int64_t NodeReader::integer(std::string_view name, std::int64_t otherwise) const {
  const OnnxAttribute* attribute = find(name, OnnxAttribute::Kind::integer);
  return attribute == nullptr ? otherwise : attribute->integer;
}

float NodeReader::number(std::string_view name, float otherwise) const {
  const OnnxAttribute* attribute = find(name, OnnxAttribute::Kind::number);
  return attribute == nullptr ? otherwise : attribute->number;
}

std::string_view NodeReader::text(std::string_view name, std::string_view otherwise) const {
  const OnnxAttribute* attribute = find(name, OnnxAttribute::Kind::text);
  return attribute == nullptr ? otherwise : attribute->text;
}

std::vector<std::int64_t> NodeReader::integers(std::string_view name, std::vector<std::int64_t> otherwise) const {
  const OnnxAttribute* attribute = find(name, OnnxAttribute::Kind::integers);
  if (attribute == nullptr) return otherwise;
  if (attribute->integers.size() != otherwise.size()) {
    broken(name, " has ", attribute->integers.size(), " numbers, not ", otherwise.size());
  }
  return attribute->integers;
}

void NodeReader::only(std::string_view name, std::int64_t value) const {
  if (const std::int64_t found = integer(name, value); found != value) unsupported(name, " ", found);
}

void NodeReader::only(std::string_view name, std::string_view value) const {
  if (const std::string_view found = text(name, value); found != value) unsupported(name, " ", printable(found));
}

}  // namespace espalier
