#include "standard_streams.h"

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

// "-", or "-.glb" with an ending.
bool is_stream(const fs::path& path) { return path == "-" || path.string().starts_with("-."); }

}  // namespace

StandardStreams::StandardStreams(Settings& settings, const char* ending) {
  try {
    for (fs::path& path : settings.images) {
      if (path == "-") take_input(path);
    }
    if (settings.prompts == "-") take_input(settings.prompts);
    for (fs::path& path : settings.outputs) {
      if (is_stream(path)) take_output(settings, path, ending);
    }
  } catch (...) {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
    throw;
  }
}

StandardStreams::~StandardStreams() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

fs::path StandardStreams::folder() {
  if (!folder_.empty()) return folder_;
  std::string name = (fs::temp_directory_path() / "espalier-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw Error(ErrorCode::io, "cannot make a folder such as " + name + ": " + std::strerror(errno), "set TMPDIR to another");
  folder_ = name;
  return folder_;
}

void StandardStreams::take_input(fs::path& path) {
  if (!input_.empty()) throw UsageError("- is given twice, but standard input can be read once only");
  input_ = folder() / "stdin";
  std::ofstream file(input_, std::ios::binary);
  std::array<char, 65536> block{};
  for (std::size_t n = 0; (n = std::fread(block.data(), 1, block.size(), stdin)) > 0;)
    file.write(block.data(), static_cast<std::streamsize>(n));
  if (std::ferror(stdin) != 0) throw Error(ErrorCode::io, "standard input cannot be read", "name a file instead of -");
  if (!file.flush())
    throw Error(ErrorCode::io, "cannot write what standard input brings to " + input_.string(), "is the disk full?");
  path = input_;
}

void StandardStreams::take_output(Settings& settings, fs::path& path, const char* ending) {
  if (!output_.empty()) throw UsageError("standard output is named twice with -o");
  if (settings.json) throw UsageError("--json prints a report, but standard output is taken by -o -; leave one of them out");
  if (::isatty(STDOUT_FILENO) != 0) throw UsageError("-o - would print a file on the terminal; redirect it, or name a file");
  output_ = folder() / ("stdout" + (path == "-" ? std::string(ending) : path.string().substr(1)));
  settings.quiet = true;
  path = output_;
}

void StandardStreams::deliver() const {
  if (output_.empty()) return;
  std::ifstream file(output_, std::ios::binary);
  std::array<char, 65536> block{};
  while (file.read(block.data(), block.size()) || file.gcount() > 0)
    std::fwrite(block.data(), 1, static_cast<std::size_t>(file.gcount()), stdout);
  if (!file.eof()) throw Error(ErrorCode::io, "cannot read " + output_.string() + " back", "is the disk full?");
}

}  // namespace espalier::cli
