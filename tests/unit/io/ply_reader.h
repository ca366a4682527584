// A PLY reader of its own for checking what the writers wrote: binary little endian, float, uchar and int properties and
// lists of int.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace espalier::test {

struct PlyElement {
  std::string name;
  std::size_t count = 0;
  std::vector<std::pair<std::string, std::string>> properties;  // name, type
  std::map<std::string, std::vector<double>> columns;
  std::vector<std::vector<int>> lists;
};

struct PlyFile {
  std::string header;
  std::vector<std::string> comments;
  std::vector<PlyElement> elements;
  std::size_t bytes_left = 0;
};

class PlyReader {
 public:
  static PlyFile read(const std::vector<std::byte>& bytes) { return PlyReader(bytes).file_; }

 private:
  explicit PlyReader(const std::vector<std::byte>& bytes) : bytes_(bytes) {
    read_header();
    for (PlyElement& element : file_.elements) {
      for (std::size_t i = 0; i < element.count; ++i) read_row(element);
    }
    file_.bytes_left = bytes_.size() - at_;
  }

  template <class T>
  T take() {
    if (at_ + sizeof(T) > bytes_.size()) throw std::runtime_error("the file ends early");
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  void read_header() {
    const std::string all(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    const std::string end = "end_header\n";
    at_ = all.find(end) + end.size();
    file_.header = all.substr(0, at_);
    std::istringstream lines(file_.header);
    std::string line;
    while (std::getline(lines, line)) {
      std::istringstream words(line);
      std::string word, type, name;
      words >> word;
      if (word == "comment") {
        file_.comments.push_back(line.substr(8));
      } else if (word == "element") {
        PlyElement element;
        words >> element.name >> element.count;
        file_.elements.push_back(element);
      } else if (word == "property") {
        words >> type;
        if (type == "list") words >> name >> name;  // types of count and index
        words >> name;
        file_.elements.back().properties.emplace_back(name, type);
      }
    }
  }

  void read_row(PlyElement& element) {
    for (const auto& [name, type] : element.properties) {
      if (type == "list") {
        std::vector<int> list(take<std::uint8_t>());
        for (int& v : list) v = take<std::int32_t>();
        element.lists.push_back(list);
      } else {
        element.columns[name].push_back(type == "float" ? double{take<float>()} : static_cast<double>(take<std::uint8_t>()));
      }
    }
  }

  const std::vector<std::byte>& bytes_;
  std::size_t at_ = 0;
  PlyFile file_;
};

}  // namespace espalier::test
