#include "paths.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* image_model = "sprout";
constexpr const char* text_model = "sprout-text";

bool holds_pipeline(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "pipeline.json", ignored);
}

// Asks the system, not the permission bits: those say nothing about read-only file systems or about root.
int try_to_create_file(const fs::path& folder) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    // A file system without nameless files.
    const fs::path probe = folder / (".espalier-" + std::to_string(::getpid()) + "-probe");
    fd = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) ::unlink(probe.c_str());
  }
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

// What a link leads to in the end, whether or not that is there.
fs::path behind_links(const fs::path& path) {
  constexpr int kMostLinks = 40;  // as the kernel allows
  fs::path target = path;
  std::error_code error;
  for (int i = 0; fs::is_symlink(fs::symlink_status(target, error)); ++i) {
    if (i == kMostLinks) {
      throw Error(ErrorCode::invalid_argument, "cannot write " + path.string() + ": it is a link that leads round in a circle",
                  "remove it or choose another name");
    }
    const fs::path next = fs::read_symlink(target, error);
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  return target;
}

void check_existing(const fs::path& path, const fs::path& target) {
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) return;
  if (!S_ISREG(status.st_mode)) {
    throw Error(
        ErrorCode::invalid_argument,
        "cannot write " + path.string() + ": it exists and is " + (S_ISDIR(status.st_mode) ? "a folder" : "no regular file"),
        "name a file");
  }
  constexpr mode_t kWritable = S_IWUSR | S_IWGRP | S_IWOTH;  // the superuser may write all, but does not mean to
  if ((status.st_mode & kWritable) == 0 || ::access(target.c_str(), W_OK) != 0) {
    throw Error(ErrorCode::io, "cannot write " + path.string() + ": it exists and is read-only",
                "choose another name or make it writable");
  }
}

// Nothing where the system does not say. A root without /proc, as packages are tried in, knows only how the program was called.
fs::path own_path() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) return program;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel hands pointers over as numbers
  const auto* called = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  program = called == nullptr ? fs::path() : fs::canonical(called, error);
  return error ? fs::path() : program;
}

ModelLocation find_shipped(const std::string& name) {
  const fs::path place = fs::path("models") / name;
  const fs::path program = own_path();
  if (!program.empty()) {
    fs::path installed = program.parent_path().parent_path() / "share/espalier" / place;
    if (holds_pipeline(installed)) return {installed, {}, {}};
    // A build folder lies a few levels below the source tree.
    fs::path folder = program.parent_path();
    for (int level = 0; level < 5 && folder.has_relative_path(); ++level, folder = folder.parent_path()) {
      if (holds_pipeline(folder / place)) return {folder / place, {}, {}};
    }
  }
  throw Error(ErrorCode::not_found,
              "the checkpoint that ships with the program (" + place.string() + ") is not where it was installed",
              "name one with --model or ESPALIER_MODEL");
}

}  // namespace

ModelLocation find_checkpoint(const Settings& settings) {
  const fs::path& asked = settings.model;
  if (asked.empty()) return find_shipped(has_prompt(settings) ? text_model : image_model);
  const bool shipped = (asked == image_model || asked == text_model) && !holds_pipeline(asked);
  if (shipped) return find_shipped(asked.string());
  return find_model(asked.string(), settings.weights, !settings.image_encoder.empty() || !settings.text_encoder.empty());
}

std::vector<ModelLocation> shipped_checkpoints() {
  std::vector<ModelLocation> found;
  for (const char* name : {image_model, text_model}) {
    try {
      found.push_back(find_shipped(name));
    } catch (const Error&) {
      // Left out where the program was installed.
    }
  }
  return found;
}

std::vector<ModelHere> models_here(const Settings& settings) {
  std::vector<ModelHere> models;
  const auto add = [&](const ModelLocation& found) {
    const std::string name = model_title(found.checkpoint);
    const bool known = std::any_of(models.begin(), models.end(), [&](const ModelHere& other) { return other.name == name; });
    if (!known) models.push_back({name, found});
  };
  for (const ModelLocation& found : shipped_checkpoints()) add(found);
  const bool own_encoder = !settings.image_encoder.empty() || !settings.text_encoder.empty();
  for (const ModelState& state : list_models(settings.weights)) {
    if (state.missing_files > 0) continue;
    try {
      add(find_model(state.name, settings.weights, own_encoder));
    } catch (const Error&) {
      continue;  // not a checkpoint, or not complete: espalier models says what is missing
    }
  }
  return models;
}

PipelineOptions pipeline_options(const Settings& settings, const ModelLocation& found) {
  return {.checkpoint = found.checkpoint,
          .device = settings.device,
          .precision = settings.precision,
          .tier = settings.tier,
          .memory_limit = settings.vram_limit,
          .image_encoder = settings.image_encoder.empty() ? found.image_encoder : settings.image_encoder,
          .repositories = found.repositories,
          .text_encoder = settings.text_encoder};
}

fs::path background_network_of(const Settings& settings) {
  const std::string& name = settings.background_network;
  if (name.ends_with(".onnx")) return name;
  std::vector<fs::path> folders;
  if (!settings.networks.empty()) {
    folders.push_back(settings.networks);
  } else {
    const fs::path data = settings.data_home, home = settings.home;
    if (!data.empty()) folders.push_back(data / ".u2net");
    if (!home.empty()) folders.push_back(home / ".u2net");
    if (!data.empty() || !home.empty()) folders.push_back((data.empty() ? home / ".local/share" : data) / "espalier");
  }
  if (name.empty()) return find_background_network("auto", folders);
  fs::path file = find_background_network(name, folders);
  if (!file.empty()) return file;
  std::string searched;
  for (const fs::path& folder : folders) searched += (searched.empty() ? "" : ", ") + folder.string();
  throw Error(ErrorCode::not_found, "the network " + name + " is not in " + searched,
              "fetch one with espalier pull isnet, or name its .onnx file, or the folder with --networks or U2NET_HOME");
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error(ErrorCode::io, "cannot make the folder " + folder.string() + ": " + error.message(),
                "name another with --out-dir");
  }
}

void check_writable(const fs::path& path) {
  const fs::path target = behind_links(path);
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) {
    throw Error(ErrorCode::not_found, "cannot write " + path.string() + ": the folder " + folder.string() + " does not exist",
                "create it first");
  }
  if (!fs::is_directory(status)) {
    throw Error(ErrorCode::invalid_argument, "cannot write " + path.string() + ": " + folder.string() + " is not a folder",
                "name a file in a folder");
  }
  check_existing(path, target);
  if (const int reason = try_to_create_file(folder); reason != 0) {
    throw Error(
        ErrorCode::io,
        "cannot write " + path.string() + ": no file can be made in " + folder.string() + " (" + std::strerror(reason) + ")",
        "choose another folder");
  }
}

void check_readable(const fs::path& path, const char* what) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) {
    throw Error(ErrorCode::not_found, std::string("the ") + what + " " + path.string() + " is a folder", "name a file");
  }
  if (!fs::exists(status)) {
    throw Error(ErrorCode::not_found, std::string("the ") + what + " " + path.string() + " does not exist", "check the name");
  }
}

std::string extension(const fs::path& path) {
  std::string text = path.extension().string();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace espalier::cli
