// The CPU's results do not depend on the team of threads: not on its size, not on what the environment says about it.
#ifndef ESPALIER_STD_THREADS

#include <gtest/gtest.h>
#include <omp.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>

#include "base/hash.h"
#include "ops/attention.h"
#include "ops/gemm.h"
#include "ops/norm.h"
#include "ops/volume.h"
#include "sparse/convolution.h"

namespace espalier::test {
namespace {

template <int Rank>
class Values {
 public:
  Values(const Extents<Rank>& extents, unsigned seed) : extents_(extents) {
    std::int64_t n = 1;
    for (const std::int64_t e : extents) n *= e;
    std::mt19937 random(seed);
    for (std::int64_t i = 0; i < n; ++i) values_.push_back((static_cast<float>(random() % 2001) - 1000.0F) * 1e-3F);
  }
  [[nodiscard]] View<Cpu, float, Rank> view() { return {values_.data(), extents_}; }
  [[nodiscard]] std::string hash() const { return sha256(std::as_bytes(std::span(values_))).substr(0, 16); }

 private:
  Extents<Rank> extents_;
  std::vector<float> values_;
};

std::string linear_of(Queue<Cpu>& queue, std::int64_t rows, std::int64_t in, std::int64_t out, bool add) {
  Values<2> x({rows, in}, 1), w({out, in}, 2), y({rows, out}, 3);
  Values<1> bias({out}, 4);
  if (add) {
    linear_add<Cpu, float>(queue, x.view(), w.view(), bias.view(), y.view(), y.view());
  } else {
    linear<Cpu, float>(queue, x.view(), w.view(), bias.view(), Activation::gelu_tanh, y.view());
  }
  return y.hash();
}

std::string conv3d_of(Queue<Cpu>& queue, std::int64_t side, std::int64_t in, std::int64_t out, bool add) {
  Values<5> x({2, side, side, side, in}, 1), w({out, 3, 3, 3, in}, 2), y({2, side, side, side, out}, 3);
  Values<1> bias({out}, 4);
  conv3d<Cpu, float>(queue, x.view(), w.view(), bias.view(), add ? y.view() : View<Cpu, float, 5>{}, y.view());
  return y.hash();
}

std::string submanifold_of(Queue<Cpu>& queue) {
  constexpr std::int64_t kRows = 3000, kIn = 40, kOut = 24;
  Values<2> x({kRows, kIn}, 1), y({kRows, kOut}, 3);
  Values<3> w({kOut, 27, kIn}, 2);
  Values<1> bias({kOut}, 4);
  std::vector<std::int32_t> neighbours;
  std::mt19937 random(5);
  for (std::int64_t i = 0; i < kRows * 27; ++i) neighbours.push_back(static_cast<std::int32_t>(random() % (kRows + 500)) - 500);
  for (auto& n : neighbours) n = std::max(n, -1);
  submanifold_conv<Cpu, float>(queue, x.view(), w.view(), bias.view(),
                               View<Cpu, std::int32_t, 2>{neighbours.data(), {kRows, 27}}, View<Cpu, float, 2>{}, y.view());
  return y.hash();
}

// What all of them are, in one line.
std::string hashes() {
  Queue<Cpu> queue;
  Arena<Cpu> scratch(std::size_t{64} << 20U, 0, "scratch");
  queue.use(&scratch);
  std::string all;
  // Few rows, many, and such as are no multiple of anything; long sums, which tempt a library to divide them.
  for (const auto& [rows, in, out] :
       {std::tuple{1, 768, 96}, {7, 4096, 130}, {1374, 96, 384}, {1000, 33, 1030}, {300, 2048, 64}}) {
    all += linear_of(queue, rows, in, out, false) + " " + linear_of(queue, rows, in, out, true) + " ";
  }
  for (const auto& [side, in, out] : {std::tuple{16, 32, 16}, {8, 64, 64}, {5, 8, 3}, {32, 4, 4}, {1, 16, 16}}) {
    all += conv3d_of(queue, side, in, out, false) + " " + conv3d_of(queue, side, in, out, true) + " ";
  }
  return all + submanifold_of(queue);
}

// The same in another process with that environment.
std::string hashes_under(const std::string& environment) {
  std::string program(4096, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", program.data(), program.size());
  program.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  const std::string command = "env " + environment + " '" + program +
                              "' --gtest_also_run_disabled_tests --gtest_filter=Teams.DISABLED_PrintsHashes 2>/dev/null";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  if (pipe == nullptr) return output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  ::pclose(pipe);
  const auto begin = output.find("HASHES ");
  return begin == std::string::npos ? "no hashes: " + output : output.substr(begin + 7, output.find('\n', begin) - begin - 7);
}

TEST(Teams, DISABLED_PrintsHashes) { std::printf("HASHES %s\n", hashes().c_str()); }

TEST(Teams, ResultsAreTheSameUnderAnyEnvironment) {
  const std::string expected = hashes_under("OMP_NUM_THREADS=1");
  ASSERT_GT(expected.size(), 300U) << expected;
  for (const char* environment :
       {"OMP_NUM_THREADS=2", "OMP_NUM_THREADS=3", "OMP_NUM_THREADS=7", "OMP_NUM_THREADS=7 OMP_DYNAMIC=true",
        "OMP_THREAD_LIMIT=1", "OMP_NUM_THREADS=8 OMP_THREAD_LIMIT=3",
        "OMP_NUM_THREADS=4,2 OMP_NESTED=true OMP_MAX_ACTIVE_LEVELS=4", "OMP_NUM_THREADS=4 OMP_MAX_ACTIVE_LEVELS=0",
        "OMP_NUM_THREADS=3 OMP_SCHEDULE=static,1 OMP_WAIT_POLICY=passive", "OMP_NUM_THREADS=3 MALLOC_PERTURB_=165",
        "OMP_NUM_THREADS=2 ONEDNN_DEFAULT_FPMATH_MODE=ANY"}) {
    EXPECT_EQ(hashes_under(environment), expected) << environment;
  }
}

TEST(Teams, ResultsAreTheSameInsideATeam) {
  const std::string expected = hashes_under("OMP_NUM_THREADS=1");
  std::map<int, std::string> found;
#pragma omp parallel num_threads(2)
  {
    const std::string here = hashes();
#pragma omp critical
    found[omp_get_thread_num()] = here;
  }
  for (const auto& [thread, here] : found) EXPECT_EQ(here, expected) << "thread " << thread;
}

TEST(Teams, TheCallersSettingsStay) {
  const int threads = omp_get_max_threads();
  (void)hashes();
  EXPECT_EQ(omp_get_max_threads(), threads);
}

}  // namespace
}  // namespace espalier::test

#endif
