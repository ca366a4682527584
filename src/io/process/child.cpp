#include "io/process/child.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "base/error.h"

extern char** environ;  // POSIX

namespace espalier {

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kPollMilliseconds = 100;
constexpr auto kPatience = std::chrono::minutes(2);
constexpr int kOutput = 3;

[[noreturn]] void fail_system(const std::string& program, const char* what, int error) {
  fail(ErrorCode::io, "cannot run ", program, ": ", what, ": ", std::strerror(error));
}

// Descriptors above those that the child gets, so that no one is overwritten while they are put in place.
Descriptor moved_up(Descriptor from, const std::string& program) {
  constexpr int kAbove = 10;
  Descriptor up(::fcntl(from.get(), F_DUPFD_CLOEXEC, kAbove));
  if (up.get() < 0) fail_system(program, "no descriptor is free", errno);
  return up;
}

// What we have but for our own settings, among them the key of the server.
std::vector<char*> environment_of_child() {
  std::vector<char*> kept;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    if (std::strncmp(*one, "ESPALIER_", 9) != 0) kept.push_back(*one);
  }
  kept.push_back(nullptr);
  return kept;
}

struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigset_t none, normal;
    sigemptyset(&none);
    sigemptyset(&normal);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) sigaddset(&normal, signal);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &normal);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

void Descriptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Child::Child(const std::vector<std::string>& arguments) : program_(arguments.at(0)) {
  // A socket instead of a pipe: sending to a child that is gone is then an error and not SIGPIPE.
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) fail_system(program_, "no socket", errno);
  input_ = Descriptor(ends[0]);
  const Descriptor child_input = moved_up(Descriptor(ends[1]), program_);
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail_system(program_, "no pipe", errno);
  messages_ = Descriptor(ends[0]);
  const Descriptor child_messages = moved_up(Descriptor(ends[1]), program_);
  ::fcntl(messages_.get(), F_SETFL, O_NONBLOCK);
  const int memory = ::memfd_create("espalier-video", MFD_CLOEXEC);
  if (memory < 0) fail_system(program_, "no file in memory", errno);
  output_ = moved_up(Descriptor(memory), program_);

  SpawnSetup setup;
  posix_spawn_file_actions_adddup2(&setup.actions, child_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&setup.actions, child_messages.get(), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&setup.actions, output_.get(), kOutput);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  // posix_spawn takes the words without const and leaves them alone.
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int error =
      ::posix_spawnp(&pid_, program_.c_str(), &setup.actions, &setup.attributes, argv.data(), environment_of_child().data());
  if (error != 0) {
    pid_ = -1;
    if (error == ENOENT || error == EACCES || error == ENOTDIR) {
      fail(ErrorCode::unsupported, "the program ", program_, " is needed for this and cannot be started (",
           std::strerror(error), ")");
    }
    fail_system(program_, "it cannot be started", error);
  }
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  (void)reap(nullptr, /*hurry=*/true);
}

int Child::reap(const Monitor* monitor, bool hurry) {
  constexpr int kPauseMilliseconds = 10;
  int status = 0;
  while (true) {
    const pid_t ended = ::waitpid(pid_, &status, hurry ? 0 : WNOHANG);
    if (ended > 0) break;
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) {
      // Whoever ignores SIGCHLD has no status to give; the output then tells whether all went well.
      status = 0;
      break;
    }
    if (monitor != nullptr) monitor->check();
    ::poll(nullptr, 0, kPauseMilliseconds);
  }
  pid_ = -1;
  return status;
}

void Child::take_messages() {
  constexpr std::size_t kEnough = 4096;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t n = ::read(messages_.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      messages_ended_ = true;
      return;
    }
    text_.append(buffer.data(), std::min(static_cast<std::size_t>(n), kEnough - std::min(kEnough, text_.size())));
  }
}

bool Child::wait(bool writing, const Monitor* monitor) {
  if (monitor != nullptr) monitor->check();
  std::array<pollfd, 2> watched{};
  watched[0] = {messages_ended_ ? -1 : messages_.get(), POLLIN, 0};
  watched[1] = {writing ? input_.get() : -1, POLLOUT, 0};
  const int ready = ::poll(watched.data(), watched.size(), kPollMilliseconds);
  if (ready < 0 && errno != EINTR) fail_system(program_, "cannot wait for it", errno);
  if (ready <= 0) return false;
  if (watched[0].revents != 0) take_messages();
  return watched[1].revents != 0;
}

void Child::fail_with_messages(const std::string& how) {
  // What it still had to say, without waiting for it long.
  for (int i = 0; i < 10 && !messages_ended_; ++i) (void)wait(false, nullptr);
  while (!text_.empty() && (text_.back() == '\n' || text_.back() == '\r')) text_.pop_back();
  fail(ErrorCode::io, program_, " ", how, text_.empty() ? " without a word" : ": ", text_);
}

void Child::write(std::span<const std::byte> bytes, const Monitor* monitor) {
  auto since = Clock::now();
  while (!bytes.empty()) {
    if (!wait(true, monitor)) {
      if (Clock::now() - since > kPatience) fail_with_messages("has stopped taking data");
      continue;
    }
    const ssize_t n = ::send(input_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail_with_messages("ended early");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    since = Clock::now();
  }
}

std::vector<std::byte> Child::finish(std::uint64_t limit, const Monitor* monitor) {
  input_.close();
  while (!messages_ended_) (void)wait(false, monitor);
  const int status = reap(monitor, /*hurry=*/false);
  if (WIFSIGNALED(status)) fail_with_messages("was ended by a signal");
  if (WEXITSTATUS(status) != 0) fail_with_messages(str("failed with status ", WEXITSTATUS(status)));
  struct stat file {};
  if (::fstat(output_.get(), &file) != 0) fail_system(program_, "cannot examine its output", errno);
  const auto size = static_cast<std::uint64_t>(file.st_size);
  if (size == 0) fail_with_messages("wrote nothing");
  if (size > limit)
    fail(ErrorCode::io, program_, " wrote more than ", limit, " bytes", hint("ask for fewer or smaller frames"));
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::pread(output_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_system(program_, "cannot read its output", n < 0 ? errno : EIO);
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

}  // namespace espalier
