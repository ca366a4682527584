// The safetensors files of tests/data, for tests only: trusts its input.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace espalier::test {

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + path);
    std::uint64_t size = 0;
    in.read(reinterpret_cast<char*>(&size), sizeof size);
    header_.resize(size);
    in.read(header_.data(), static_cast<std::streamsize>(size));
    data_.assign(std::istreambuf_iterator<char>(in), {});
  }

  [[nodiscard]] bool has(const std::string& name) const { return header_.find("\"" + name + "\":") != std::string::npos; }

  template <class T>
  [[nodiscard]] std::vector<T> read(const std::string& name) const {
    const std::size_t entry = header_.find("\"" + name + "\":");
    if (entry == std::string::npos) throw std::runtime_error("no tensor " + name);
    const std::string key = "\"data_offsets\":";
    std::size_t at = header_.find('[', header_.find(key, entry)) + 1;
    const std::size_t begin = std::stoull(header_.substr(at));
    at = header_.find(',', at) + 1;
    const std::size_t end = std::stoull(header_.substr(at));
    std::vector<T> values((end - begin) / sizeof(T));
    std::memcpy(values.data(), data_.data() + begin, end - begin);
    return values;
  }

 private:
  std::string header_;
  std::string data_;
};

}  // namespace espalier::test
