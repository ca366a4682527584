// Copies of the shipped checkpoint in which one thing is wrong.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace espalier::test {

// A safetensors file taken apart.
struct TensorFile {
  nlohmann::json header;
  std::string data;

  static TensorFile read(const std::filesystem::path& path);
  [[nodiscard]] std::string bytes() const;
  // Overwrites all elements of an F32 tensor.
  void fill(const std::string& name, float value);
};

// A checkpoint in `folder` made of links to the shipped one's files.
class CheckpointCopy {
 public:
  explicit CheckpointCopy(std::filesystem::path folder);
  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

  // Replaces a file (its name relative to the checkpoint) by `bytes`.
  void replace(const std::string& file, const std::string& bytes) const;
  void remove(const std::string& file) const;
  [[nodiscard]] std::string content(const std::string& file) const;
  void edit_json(const std::string& file, const std::function<void(nlohmann::json&)>& edit) const;
  void edit_tensors(const std::string& file, const std::function<void(TensorFile&)>& edit) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace espalier::test
