// Runs the built command as a user would.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace espalier::test {

struct Outcome {
  int code = -1;  // 128 + signal when a signal ended it
  std::string out, err;
};

// One running command; its output goes to files in a folder of its own.
class Program {
 public:
  // `environment`: NAME=VALUE strings beside the inherited ones; inherited ESPALIER_* variables are dropped.
  explicit Program(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  void send(int signal) const;
  // Waits until standard error holds `text`; false when the program ends or 60 seconds pass before.
  [[nodiscard]] bool says(const std::string& text);
  // Waits for the end.
  Outcome wait();

 private:
  [[nodiscard]] bool ended();

  std::filesystem::path folder_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool reaped_ = false;
};

// espalier ARGUMENTS...
Outcome espalier(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});
// sh -c SCRIPT with the command as $ESPALIER.
Outcome shell(const std::string& script);

// The command under test: the one that was built, or $ESPALIER_TEST_PROGRAM.
[[nodiscard]] std::filesystem::path program_path();
// The checkpoint that ships with the project.
[[nodiscard]] std::filesystem::path shipped_checkpoint();

// The run ended with `code` and exactly one line on standard error that starts with "espalier: " and holds `words`.
void expect_refusal(const Outcome& outcome, int code, const std::vector<std::string>& words);

// A folder holds no files: nothing was written, not even half.
void expect_empty(const std::filesystem::path& folder);

[[nodiscard]] std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& bytes);

}  // namespace espalier::test
