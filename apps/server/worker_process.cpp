#include "worker_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <thread>

#include "job_record.h"

extern char** environ;  // POSIX

namespace espalier::server {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPoll = 50ms;    // between looks at whether a job is cancelled
constexpr auto kGrace = 100ms;  // for a worker that is asked to end
constexpr const char* kThreads = "OMP_NUM_THREADS";
constexpr const char* kNotUnderstood = "it sent what is not understood";

[[noreturn]] void fail_system(const std::string& what, int error) {
  throw Error(ErrorCode::io, "a worker cannot be started: " + what + ": " + std::strerror(error), "free memory or processes");
}

// What we have, but for our own settings, among them the key of the server, and with the worker's share of the processor.
std::vector<std::string> environment_of_worker(int threads) {
  std::vector<std::string> kept;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    const std::string variable(*one);
    const bool ours = variable.starts_with("ESPALIER_") || variable.starts_with("AWS_") ||
                      (threads > 0 && variable.starts_with(std::string(kThreads) + "="));
    if (!ours) kept.push_back(variable);
  }
  if (threads > 0) kept.push_back(std::string(kThreads) + "=" + std::to_string(threads));
  return kept;
}

// posix_spawn takes the words without const and leaves them alone.
std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// In a group of its own, so that Ctrl-C reaches it through the server alone; with a socket and standard error, and no other
// descriptor of ours.
struct SpawnSetup {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  explicit SpawnSetup(int socket) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, socket, kWorkerSocket);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, kWorkerSocket + 1);
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

struct Spawned {
  pid_t process;
  int socket;
};

Spawned spawn_worker(int threads) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) fail_system("no socket", errno);
  // Above the worker's descriptors: dup2 of a descriptor onto itself would leave it to be closed.
  const int theirs = ::fcntl(ends[1], F_DUPFD_CLOEXEC, kWorkerSocket + 1);
  const int why = errno;
  ::close(ends[1]);
  pid_t process = -1;
  int error = theirs < 0 ? why : 0;
  if (error == 0) {
    const SpawnSetup setup(theirs);
    std::vector<std::string> words{"espalier", "worker"}, variables = environment_of_worker(threads);
    error = ::posix_spawn(&process, "/proc/self/exe", &setup.actions, &setup.attributes, pointers_to(words).data(),
                          pointers_to(variables).data());
    ::close(theirs);
  }
  if (error != 0) {
    ::close(ends[0]);
    fail_system("no process", error);
  }
  return {process, ends[0]};
}

std::string end_in_words(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    const std::string text = "its process was ended by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
    return signal == SIGKILL ? text + ", as the system does when memory runs out" : text;
  }
  return "its process ended with " + std::to_string(WEXITSTATUS(status));
}

// Whether the process has ended within that time.
bool waited(pid_t process, std::chrono::milliseconds time, int& status) {
  for (const auto until = Clock::now() + time;; std::this_thread::sleep_for(5ms)) {
    const pid_t ended = ::waitpid(process, &status, WNOHANG);
    if (ended == process || (ended < 0 && errno != EINTR)) return true;
    if (Clock::now() >= until) return false;
  }
}

Json start_message(const WorkerOptions& options) {
  return {{"type", "start"},
          {"protocol", kWorkerProtocol},
          {"version", version()},
          {"server", static_cast<int>(::getpid())},
          {"options", to_json(options)}};
}

}  // namespace

WorkerProcess::WorkerProcess(WorkerOptions options, WorkerListener& listener)
    : options_(std::move(options)), listener_(listener) {}

WorkerProcess::~WorkerProcess() { (void)finish(); }

std::string WorkerProcess::finish() {
  if (process_ == 0) return "it had no process";
  channel_.reset();  // which asks it to end
  int status = 0;
  bool ended = waited(process_, kGrace, status);
  const std::string how = ended ? end_in_words(status) : "it did not answer";
  ::kill(-process_, SIGKILL);  // the group: what it started, too
  while (!ended) ended = waited(process_, 10s, status);
  process_ = 0;
  return how;
}

void WorkerProcess::lose(const std::string& why) {
  const std::string how = finish();
  throw WorkerLost(why.empty() ? how : why);
}

bool WorkerProcess::take(const Json& message) try {
  const std::string type = type_of(message);
  if (type == "models") {
    std::vector<ModelFacts> models;
    for (const Json& model : message.at("models")) models.push_back(facts_of(model));
    listener_.on_models(models);
  } else if (type == "loaded") {
    listener_.on_loaded(facts_of(message.at("model")));
  } else if (type == "gpu") {
    listener_.on_gpu_memory({message.at("free").get<std::uint64_t>(), message.at("total").get<std::uint64_t>()});
  } else if (type == "warning") {
    listener_.on_warning(message.at("text"));
  } else {
    return false;
  }
  return true;
} catch (const std::exception&) {
  lose(kNotUnderstood);
}

void WorkerProcess::start(const std::function<bool()>& leaving) {
  (void)finish();
  leaving_ = leaving;
  const Spawned spawned = spawn_worker(options_.threads);
  process_ = spawned.process;
  channel_ = std::make_unique<WorkerChannel>(spawned.socket);
  if (!channel_->send(start_message(options_))) lose();
  while (true) {
    const auto message = channel_->receive(kPoll);
    if (leaving_()) lose("the server ends");
    if (!message && channel_->ended()) lose();
    if (!message || take(*message)) continue;
    if (type_of(*message) == "ready") return;
    if (type_of(*message) != "failed") lose(kNotUnderstood);
    const Error error = error_of(message->contains("error") ? (*message)["error"] : Json());
    (void)finish();
    throw error;
  }
}

void WorkerProcess::unload() {
  if (channel_) (void)channel_->send({{"type", "unload"}});
  listener_.on_loaded({});
}

bool WorkerProcess::alive() {
  if (process_ == 0) return false;
  while (const auto message = channel_->receive(0ms)) (void)take(*message);  // what unloading says, for example
  if (!channel_->ended()) return true;
  (void)finish();
  return false;
}

namespace {

// The task that a message is about; one that there is not for a message about none.
std::size_t task_of(const Json& message) {
  const auto task = message.find("task");
  return task != message.end() && task->is_number_unsigned() ? task->get<std::size_t>() : static_cast<std::size_t>(-1);
}

JobEnd end_of(const std::exception_ptr& trouble, const Assignment& assignment) {
  try {
    std::rethrow_exception(trouble);
  } catch (...) {
    return end_of_exception(assignment);
  }
}

// Passes a message of a job on; false for one that is none.
bool pass_on(const Json& message, JobListener& listener) try {
  const std::string type = type_of(message);
  if (type == "progress") {
    listener.on_progress(message.at("progress"));
  } else if (type == "file") {
    const auto file = file_of(message.at("file"));
    if (!file) return false;
    listener.on_file(*file);
  } else if (type == "dropped") {
    listener.on_dropped(message.at("name"));
  } else if (type == "stages") {
    listener.on_stages(stages_of(message.at("stages")));
  } else {
    return false;
  }
  return true;
} catch (const Json::exception&) {
  return false;
}

}  // namespace

void WorkerProcess::run(std::span<const JobTask> tasks, const TaskEnded& ended) {
  struct State {
    std::exception_ptr trouble;  // of keeping what the job made; it ends then
    bool asked = false, over = false;
  };
  if (!channel_) lose();
  Json jobs = Json::array();
  for (const JobTask& task : tasks) jobs.push_back(to_json(task.assignment));
  if (!channel_->send({{"type", "jobs"}, {"jobs", jobs}})) lose();
  std::vector<State> states(tasks.size());
  for (std::size_t left = tasks.size(); left > 0;) {
    const auto message = channel_->receive(kPoll);
    if (!message && channel_->ended()) lose();
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      State& state = states[i];
      if (state.over || state.asked || !(state.trouble || tasks[i].listener.cancelled())) continue;
      state.asked = true;
      if (!channel_->send({{"type", "cancel"}, {"task", i}})) lose();
    }
    if (leaving_()) lose("the server ends");  // the jobs wait for the next start
    if (!message || take(*message)) continue;
    const std::size_t i = task_of(*message);
    if (i >= tasks.size() || states[i].over) lose(kNotUnderstood);
    State& state = states[i];
    if (type_of(*message) == "end") {
      // A device that has failed once fails for ever in its process.
      if (message->contains("fault")) lose("its GPU has failed: " + text_of((*message)["fault"]));
      state.over = true;
      --left;
      ended(i, state.trouble ? end_of(state.trouble, tasks[i].assignment) : end_of(*message));
      continue;
    }
    try {
      if (!pass_on(*message, tasks[i].listener)) lose(kNotUnderstood);
    } catch (const Error&) {
      if (!state.trouble) state.trouble = std::current_exception();
    }
  }
}

int threads_of_worker(std::size_t workers) {
  const std::string asked = environment_value(kThreads);
  int all = static_cast<int>(std::thread::hardware_concurrency());
  int number = 0;
  const auto [end, error] = std::from_chars(asked.data(), asked.data() + asked.size(), number);
  if (error == std::errc() && number > 0) all = number;  // a list for nested regions begins with it
  return std::max(1, all / static_cast<int>(workers));
}

namespace {

// How many GPUs there are, as a process of its own sees them.
int count_gpus() {
  const Spawned spawned = spawn_worker(0);
  int count = 0;
  {
    WorkerChannel channel(spawned.socket);
    (void)channel.send(
        {{"type", "count"}, {"protocol", kWorkerProtocol}, {"version", version()}, {"server", static_cast<int>(::getpid())}});
    const auto message = channel.receive(60s);
    if (message && type_of(*message) == "gpus") count = message->value("count", 0);
  }
  int status = 0;
  if (!waited(spawned.process, kGrace, status)) {
    ::kill(-spawned.process, SIGKILL);
    while (!waited(spawned.process, 10s, status)) continue;
  }
  return count;
}

}  // namespace

std::vector<std::string> devices_of_workers(const std::string& workers, const std::string& device) {
  std::vector<std::string> known{device};
  if (device == "auto" || device == "cuda") {
    const int count = count_gpus();
    if (count > 0) known.clear();
    for (int i = 0; i < count; ++i) known.push_back("cuda:" + std::to_string(i));
    if (count == 0 && device == "auto") known = {"cpu"};
  }
  if (workers == "auto") return known;
  std::vector<std::string> devices;
  for (int i = 0; i < std::stoi(workers); ++i) devices.push_back(known[static_cast<std::size_t>(i) % known.size()]);
  return devices;
}

}  // namespace espalier::server
