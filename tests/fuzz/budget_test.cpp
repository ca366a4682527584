// What foreign bytes may cost: inputs of the shapes that once took minutes or gigabytes are read or refused in processor time
// that grows as their size does, and within 512 MiB. The shapes grow with the size they are asked for.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iterator>

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

// With the limits of the product, which those of the fuzzers are below.
void read(const WorstShape& shape, std::span<const std::byte> bytes) {
  const std::string reader = shape.reader;
  if (reader == "spz" || reader == "splat" || reader == "ksplat") {
    (void)attempt([&] { (void)decode_gaussians(bytes, "x." + reader); });
  } else if (reader == "gltf" || reader == "obj" || reader == "stl" || reader == "ply" || reader == "3mf") {
    (void)attempt([&] { (void)decode_mesh(bytes, "x." + reader); });
  } else {
    const auto& all = fuzz_targets();
    const auto target = std::find_if(all.begin(), all.end(), [&](const FuzzTarget& t) { return reader == t.name; });
    if (target == all.end()) throw std::logic_error("no reader " + reader);
    (void)target->read(bytes);
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

class Sized : public testing::TestWithParam<std::size_t> {};

TEST_P(Sized, ReadersStayWithinIt) {
  for (const WorstShape& shape : worst_shapes()) {
    const std::string text = shape.make(std::min(GetParam(), shape.largest));
    const auto bytes = std::as_bytes(std::span(text));
    const long before = cost_of([] {}).kib;
    const Cost cost = cost_of([&] { read(shape, bytes); });
    EXPECT_TRUE(cost.ended) << shape.reader << ", " << shape.name;
    if (kSanitized) continue;
    const double smaller = std::max(seconds_of(shape, text.size() / kSmaller), kFloor);
    EXPECT_LE(cost.seconds, kGrowth * smaller) << shape.reader << ", " << shape.name << ": " << text.size() << " bytes";
    EXPECT_LE(cost.kib - before, kKiB) << shape.reader << ", " << shape.name << ": " << text.size() << " bytes";
  }
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

INSTANTIATE_TEST_SUITE_P(Budget, Sized,
                         testing::Values(std::size_t{1} << 10U, std::size_t{64} << 10U, std::size_t{1} << 20U,
                                         std::size_t{60} << 20U),
                         [](const auto& size) { return std::to_string(size.param / 1024) + "KiB"; });

}  // namespace
}  // namespace espalier::test
