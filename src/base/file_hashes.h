// SHA-256 of large files while something else is done.
#pragma once

#include <atomic>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace espalier {

class FileHashes {
 public:
  FileHashes() = default;
  FileHashes(const FileHashes&) = delete;
  FileHashes& operator=(const FileHashes&) = delete;
  // Gives up what is not done.
  ~FileHashes();

  // Begins to read the files, several at a time. Once.
  void start(std::vector<std::filesystem::path> files);
  // Waits for all of them: file -> 64 hexadecimal digits. Throws what reading a file threw, every time.
  [[nodiscard]] const std::map<std::filesystem::path, std::string>& get();

 private:
  void work();

  std::vector<std::filesystem::path> files_;
  std::vector<std::string> digests_;
  std::vector<std::exception_ptr> failures_;
  std::vector<std::thread> threads_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stop_{false};
  std::map<std::filesystem::path, std::string> done_;
};

}  // namespace espalier
