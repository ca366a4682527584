// What foreign bytes may cost: inputs of the shapes that once took minutes or gigabytes are read or refused within 512 MiB and
// 2 s of processor time, or in proportion to what they honestly hold, and in time that grows as their size does. The shapes
// grow with the size they are asked for. Processor time, not the clock's: a busy machine does not lengthen it much, and what a
// slow one does is measured with work of a known cost.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "io/formats/gaussian_reader.h"
#include "io/formats/mesh_reader.h"
#include "support/temporary_folder.h"
#include "targets.h"
#include "worst_shapes.h"

namespace espalier::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // which multiplies time and memory: the shapes are read, their cost is not judged
#else
constexpr bool kSanitized = false;
#endif
// The time of an input is judged against that of one a sixteenth of its size, with a floor: 64 times is far
// from the 256 of work that grows with the square, and no matter of how fast or busy the machine is.
constexpr std::size_t kSmaller = 16;
constexpr double kGrowth = 64;
constexpr double kFloor = 0.03;  // s; below it a clock says little
constexpr long kKiB = 512L * 1024;
constexpr double kSeconds = 2.0;
constexpr double kHonest = 8e6;  // bytes of honest content that a second is granted for

const FuzzTarget& target_named(std::string_view name) {
  const auto& all = fuzz_targets();
  const auto target = std::find_if(all.begin(), all.end(), [&](const FuzzTarget& t) { return name == t.name; });
  if (target == all.end()) throw std::logic_error("no reader " + std::string(name));
  return *target;
}

// With the limits of the product, which those of the fuzzers are below.
void read(const WorstShape& shape, std::span<const std::byte> bytes) {
  const std::string reader = shape.reader;
  const auto is = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return reader == name; });
  };
  // By ending, or by content alone where that says what it is.
  if (is({"spz", "splat", "ksplat"})) {
    (void)attempt([&] { (void)decode_gaussians(bytes, "x." + reader); });
  } else if (is({"gaussian-glb", "sog"})) {
    (void)attempt([&] { (void)decode_gaussians(bytes, "x"); });
  } else if (is({"gltf", "obj", "stl", "ply", "3mf"})) {
    (void)attempt([&] { (void)decode_mesh(bytes, "x." + reader); });
  } else if (is({"packed-gltf", "archive"})) {
    (void)attempt([&] { (void)decode_mesh(bytes, "x"); });
  } else {
    (void)target_named(target_of(shape)).read(bytes);
  }
}

struct Cost {
  double seconds = 0;
  long kib = 0;
  bool ended = false;
};

// What it takes to do that in a process of its own.
Cost cost_of(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  int status = 0;
  rusage used{};
  if (child < 0 || ::wait4(child, &status, 0, &used) != child) return {};
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return {seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_maxrss, WIFEXITED(status) && WEXITSTATUS(status) == 0};
}

double seconds_of(const WorstShape& shape, std::size_t bytes) {
  const std::string text = shape.make(bytes);
  return cost_of([&] { read(shape, std::as_bytes(std::span(text))); }).seconds;
}

// How much slower than the machine that the bound was set on this one is now; at least 1.
double slowness() {
  constexpr double kThere = 1.4;  // s
  constexpr std::size_t kWords = std::size_t{1} << 22U;
  constexpr int kRounds = 4;
  const Cost measured = cost_of([] {
    std::vector<std::uint64_t> words(kWords);
    std::uint64_t state = 1;
    for (int round = 0; round < kRounds; ++round) {
      for (std::uint64_t& word : words) word = state = state * 6364136223846793005U + 1;
      std::sort(words.begin(), words.end());
    }
    if (words.front() > words.back()) ::_exit(1);
  });
  return std::max(measured.seconds / kThere, 1.0);
}

// Seconds that an input of so many bytes may take on the machine that the bound was set on.
double allowed(std::size_t bytes) { return std::max(kSeconds, static_cast<double>(bytes) / kHonest); }

// What is over a bound is measured again, beside work of a known cost: a neighbour that takes caches and memory away for some
// seconds is no fault of a reader, and a reader that is too slow is so every time.
bool is_within(double seconds, double bound, const std::function<double()>& again, const std::function<double()>& bound_again) {
  constexpr int kTries = 4;
  for (int i = 0; i < kTries && seconds > bound; ++i) {
    bound = bound_again();
    seconds = again();
  }
  return seconds <= bound;
}

constexpr std::size_t kSizes[] = {std::size_t{1} << 10U, std::size_t{64} << 10U, std::size_t{1} << 20U, std::size_t{60} << 20U};

// Whether the shape does not grow any more, so that the size before has judged it.
bool is_judged(const WorstShape& shape, std::size_t size) {
  const auto* const at = std::find(std::begin(kSizes), std::end(kSizes), size);
  return at != std::begin(kSizes) && shape.largest <= *std::prev(at);
}

class Sized : public testing::TestWithParam<std::size_t> {};

TEST_P(Sized, ReadersStayWithinIt) {
  if (kSanitized && GetParam() > (std::size_t{1} << 20U)) GTEST_SKIP() << "a matter of cost, which is not judged here";
  for (const WorstShape& shape : worst_shapes()) {
    if (is_judged(shape, GetParam())) continue;
    const std::string text = shape.make(std::min(GetParam(), shape.largest));
    const auto bytes = std::as_bytes(std::span(text));
    const long before = cost_of([] {}).kib;
    const Cost cost = cost_of([&] { read(shape, bytes); });
    EXPECT_TRUE(cost.ended) << shape.reader << ", " << shape.name;
    if (kSanitized) continue;
    const std::string what = std::string(shape.reader) + ", " + shape.name + ": " + std::to_string(text.size()) + " bytes";
    const auto again = [&] { return cost_of([&] { read(shape, bytes); }).seconds; };
    const auto growth = [&] { return kGrowth * std::max(seconds_of(shape, text.size() / kSmaller), kFloor); };
    EXPECT_TRUE(is_within(cost.seconds, allowed(text.size()), again, [&] { return allowed(text.size()) * slowness(); }))
        << what << ", " << cost.seconds << " s";
    EXPECT_TRUE(is_within(cost.seconds, growth(), again, growth)) << what << ", " << cost.seconds << " s";
    EXPECT_LE(cost.kib - before, kKiB) << what;
  }
}

TEST(Budget, EveryReaderHasAWorstShape) {
  std::set<std::string_view> left;
  for (const FuzzTarget& target : fuzz_targets()) left.insert(target.name);
  for (const WorstShape& shape : worst_shapes()) {
    EXPECT_NO_THROW((void)target_named(target_of(shape))) << shape.name;
    left.erase(target_of(shape));
  }
  // The containers and colours of images whose shapes are those of HEIC and JPEG, and what the glTF reader reads too.
  for (const char* same : {"avif", "cmyk"}) left.erase(same);
  EXPECT_TRUE(left.empty()) << *left.begin();
}

// A file beside it that is named by a thousand buffers is in memory once.
TEST(Budget, FilesBesideAreReadOnce) {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return folder.path() / name; };
  write_file(path("b.bin"), Bytes(std::size_t{2} << 20U));
  std::string text = R"({"asset":{"version":"2.0"},"buffers":[)";
  for (int i = 0; i < 1000; ++i)
    text += std::string(i == 0 ? "" : ",") + R"({"byteLength":3,"uri":")" +
            repeated("./", 2 * static_cast<std::size_t>(i % 30)) + "b.bin\"}";
  text += "]}";
  write_file(path("a.gltf"), std::as_bytes(std::span(text)));
  const long before = cost_of([] {}).kib;
  const Cost cost = cost_of([&] { (void)attempt([&] { (void)read_mesh(path("a.gltf")); }); });
  EXPECT_TRUE(cost.ended);
  EXPECT_LE(kSanitized ? 0 : cost.kib - before, 64 * 1024);
}

INSTANTIATE_TEST_SUITE_P(Budget, Sized, testing::ValuesIn(kSizes),
                         [](const auto& size) { return std::to_string(size.param / 1024) + "KiB"; });

}  // namespace
}  // namespace espalier::test
