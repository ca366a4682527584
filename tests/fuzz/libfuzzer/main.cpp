// The targets under libFuzzer, which follows coverage (make fuzz). Own flags: -target=NAME, and -seeds=FOLDER, which writes the
// target's valid inputs and its worst known shapes there and ends; -targets lists the names. Half of the changes are made by
// libFuzzer, half are changes to the document inside (JSON, glTF, the header of safetensors).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"
#include "fuzz/json_mutator.h"
#include "fuzz/targets.h"
#include "fuzz/worst_shapes.h"

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
  const std::string name = chosen->name;
  for (const auto& shape : espalier::test::worst_shapes()) {
    if (espalier::test::target_of(shape) != name) continue;
    for (const std::size_t bytes : {std::size_t{1} << 10U, std::size_t{1} << 16U, (std::size_t{1} << 20U) - 4096}) {
      const std::string text = shape.make(std::min(bytes, shape.largest));
      espalier::write_file(folder / ("worst" + std::to_string(n++)), std::as_bytes(std::span(text)));
    }
  }
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

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);  // libFuzzer's own

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  constexpr std::size_t kSmall = std::size_t{1}
                                 << 16U;  // documents that are changed often; the others take long to write again
  if (seed % 2 == 0 || (size > kSmall && seed % 32 != 1)) return LLVMFuzzerMutate(data, size, max_size);
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const espalier::test::Bytes before(bytes, bytes + size);
  const std::size_t longest = seed % 32 == 1 ? max_size / 2 : std::min<std::size_t>(max_size / 2, 4096);
  const espalier::test::Bytes after = espalier::test::JsonMutator(seed).next(before, longest);
  if (after == before || after.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, after.data(), after.size());
  return after.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)chosen->read({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
