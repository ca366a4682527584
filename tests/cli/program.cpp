#include "program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "support/data.h"

namespace espalier::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> clean_environment(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.rfind("ESPALIER", 0) != 0) all.push_back(text);
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  std::transform(texts.begin(), texts.end(), std::back_inserter(out), [](std::string& t) { return t.data(); });
  out.push_back(nullptr);
  return out;
}

fs::path new_folder() {
  std::string name = (fs::temp_directory_path() / "espalier-program-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
  return name;
}

// What posix_spawn needs to start in `folder`, where stray files do no harm, to redirect the output and to give signals back
// their usual meaning.
class Setup {
 public:
  explicit Setup(const fs::path& folder) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, 1, (folder / "out").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_addopen(&actions_, 2, (folder / "err").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
    posix_spawnattr_init(&attributes_);
    sigset_t usual;
    sigemptyset(&usual);
    posix_spawnattr_setsigmask(&attributes_, &usual);
    for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&usual, signal);
    posix_spawnattr_setsigdefault(&attributes_, &usual);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  Setup(const Setup&) = delete;
  Setup& operator=(const Setup&) = delete;
  ~Setup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  pid_t spawn(std::vector<std::string> command, std::vector<std::string> environment) const {
    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, command.front().c_str(), &actions_, &attributes_, pointers(command).data(),
                                    pointers(environment).data());
    if (error != 0) throw std::system_error(error, std::generic_category(), "cannot start " + command.front());
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::vector<std::string> with_program(const std::vector<std::string>& arguments) {
  std::vector<std::string> command{program_path().string()};
  if (!arguments.empty() && arguments.front() == "/bin/sh") command.clear();
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const std::vector<std::string>& environment)
    : folder_(new_folder()), pid_(Setup(folder_).spawn(with_program(arguments), clean_environment(environment))) {}

Program::~Program() {
  if (!ended()) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

bool Program::ended() {
  if (!reaped_) reaped_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
  return reaped_;
}

void Program::send(int signal) const { ::kill(pid_, signal); }

bool Program::says(const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < deadline) {
    const bool over = ended();
    if (read_text(folder_ / "err").find(text) != std::string::npos) return true;
    if (over) return false;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

Outcome Program::wait() {
  if (!reaped_ && ::waitpid(pid_, &status_, 0) != pid_) throw std::system_error(errno, std::generic_category(), "waitpid");
  reaped_ = true;
  const int code = WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  return {code, read_text(folder_ / "out"), read_text(folder_ / "err")};
}

Outcome espalier(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  return Program(arguments, environment).wait();
}

Outcome shell(const std::string& script) {
  return Program({"/bin/sh", "-c", "ESPALIER='" + program_path().string() + "'; " + script}).wait();
}

fs::path program_path() {
  const char* const moved = std::getenv("ESPALIER_TEST_PROGRAM");
  return moved != nullptr ? moved : ESPALIER_PROGRAM;
}

fs::path shipped_checkpoint() { return project_path("models/sprout"); }

void expect_refusal(const Outcome& outcome, int code, const std::vector<std::string>& words) {
  EXPECT_EQ(outcome.code, code) << outcome.err << outcome.out;
  EXPECT_EQ(outcome.err.rfind("espalier: ", 0), 0U) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  for (const char c : outcome.err) EXPECT_TRUE(c == '\n' || c < 0 || c >= ' ') << "a control character: " << outcome.err;
  for (const std::string& word : words)
    EXPECT_NE(outcome.err.find(word), std::string::npos) << outcome.err << "lacks: " << word;
}

void expect_empty(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) ADD_FAILURE() << entry.path() << " was written";
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_text(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace espalier::test
