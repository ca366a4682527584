// The targets under libFuzzer, which follows coverage (make fuzz). Own flags: -target=NAME, and -seeds=FOLDER, which writes the
// target's valid inputs there and ends; -targets lists the names.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "fuzz/targets.h"

namespace {

using espalier::test::FuzzTarget;

const FuzzTarget* chosen = nullptr;  // libFuzzer hands nothing from Initialize to TestOneInput

std::string value_of(int argc, char** argv, const std::string& flag) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind(flag + "=", 0) == 0) return argument.substr(flag.size() + 1);
  }
  return {};
}

void write_seeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  int n = 0;
  for (const auto& seed : chosen->seeds()) espalier::write_file(folder / ("seed" + std::to_string(n++)), seed);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  const auto& all = espalier::test::fuzz_targets();
  if (*argc > 1 && std::string((*argv)[1]) == "-targets") {
    for (const FuzzTarget& target : all) std::printf("%s\n", target.name);
    std::exit(0);
  }
  const std::string name = value_of(*argc, *argv, "-target");
  const auto found = std::find_if(all.begin(), all.end(), [&](const FuzzTarget& t) { return name == t.name; });
  if (found == all.end()) {
    std::fprintf(stderr, "-target=NAME: %s is unknown; -targets lists them\n", name.c_str());
    std::exit(2);
  }
  chosen = &*found;
  if (const std::string folder = value_of(*argc, *argv, "-seeds"); !folder.empty()) {
    write_seeds(folder);
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)chosen->read({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
