#include "checkpoint_copy.h"

#include <cstdint>
#include <cstring>
#include <utility>

#include "program.h"

namespace espalier::test {

namespace fs = std::filesystem;

TensorFile TensorFile::read(const fs::path& path) {
  const std::string all = read_text(path);
  std::uint64_t length = 0;
  std::memcpy(&length, all.data(), sizeof length);
  return {nlohmann::json::parse(all.substr(8, length)), all.substr(8 + length)};
}

std::string TensorFile::bytes() const {
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  std::string out(sizeof length, '\0');
  std::memcpy(out.data(), &length, sizeof length);
  return out + text + data;
}

void TensorFile::fill(const std::string& name, float value) {
  const auto offsets = header.at(name).at("data_offsets").get<std::pair<std::size_t, std::size_t>>();
  for (std::size_t at = offsets.first; at < offsets.second; at += sizeof value)
    std::memcpy(data.data() + at, &value, sizeof value);
}

CheckpointCopy::CheckpointCopy(fs::path folder) : folder_(std::move(folder)) {
  const fs::path original = shipped_checkpoint();
  for (const auto& entry : fs::recursive_directory_iterator(original)) {
    const fs::path copy = folder_ / entry.path().lexically_relative(original);
    if (entry.is_directory()) continue;
    fs::create_directories(copy.parent_path());
    fs::create_symlink(entry.path(), copy);
  }
}

void CheckpointCopy::replace(const std::string& file, const std::string& bytes) const {
  remove(file);  // or the original would be written through the link
  write_text(folder_ / file, bytes);
}

void CheckpointCopy::remove(const std::string& file) const {
  if (!fs::remove(folder_ / file)) throw std::runtime_error("the shipped checkpoint has no " + file);
}

std::string CheckpointCopy::content(const std::string& file) const { return read_text(folder_ / file); }

void CheckpointCopy::edit_json(const std::string& file, const std::function<void(nlohmann::json&)>& edit) const {
  nlohmann::json json = nlohmann::json::parse(content(file));
  edit(json);
  replace(file, json.dump());
}

void CheckpointCopy::edit_tensors(const std::string& file, const std::function<void(TensorFile&)>& edit) const {
  TensorFile tensors = TensorFile::read(folder_ / file);
  edit(tensors);
  replace(file, tensors.bytes());
}

}  // namespace espalier::test
