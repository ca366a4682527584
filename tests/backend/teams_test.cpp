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
#include "ops/convolution.h"
#include "ops/gemm.h"
#include "ops/norm.h"
#include "ops/pooling.h"

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

std::string conv2d_of(Queue<Cpu>& queue, const Extents<4>& extents, std::int64_t out, const Window& window) {
  const auto extent = [&](std::size_t axis) {
    return (extents[axis + 1] + 2 * window.before[axis] - window.reach(axis)) / window.stride[axis] + 1;
  };
  Values<4> x(extents, 1), w({out, window.kernel[0], window.kernel[1], extents[3]}, 2),
      y({extents[0], extent(0), extent(1), out}, 3);
  Values<1> bias({out}, 4);
  conv2d<Cpu, float>(queue, x.view(), w.view(), bias.view(), window, Activation::relu, y.view());
  return y.hash();
}

std::string pooled_of(Queue<Cpu>& queue) {
  Values<4> x({1, 61, 47, 20}, 1), largest({1, 31, 24, 20}, 2), resized({1, 100, 90, 20}, 3);
  max_pool2d<Cpu, float>(queue, x.view(), {{3, 3}, {2, 2}, {1, 1}, {1, 1}}, largest.view());
  resize_bilinear<Cpu, float>(queue, x.view(), {0.61F, -0.2F}, {0.52F, -0.24F}, resized.view());
  return largest.hash() + " " + resized.hash();
}

// Sequences of many lengths, none among them, in the order that windows of a sparse tensor have.
std::string attention_of(Queue<Cpu>& queue, std::int64_t width) {
  const std::vector<std::int32_t> begin{0, 300, 300, 301, 450, 700};
  constexpr std::int64_t kRows = 700, kHeads = 3;
  std::vector<std::int32_t> order;
  for (std::int32_t i = 0; i < kRows; ++i) order.push_back((i * 37 + 11) % kRows);
  Values<3> q({kRows, kHeads, width}, 1), k({kRows, kHeads, width}, 2), v({kRows, kHeads, width}, 3),
      seen({kRows, kHeads, width}, 4), causal({kRows, kHeads, width}, 5);
  const View<Cpu, const std::int32_t, 1> ends{begin.data(), {static_cast<std::int64_t>(begin.size())}};
  const Packing<Cpu> windows{ends, {order.data(), {kRows}}, 300}, plain{ends, {}, 300};
  attention<Cpu, float>(queue, q.view(), k.view(), v.view(), windows, windows, 0.2F, seen.view());
  causal_attention<Cpu, float>(queue, q.view(), k.view(), v.view(), plain, 0.2F, causal.view());
  return seen.hash() + " " + causal.hash();
}

std::string norms_of(Queue<Cpu>& queue, std::int64_t rows, std::int64_t channels) {
  constexpr int kGroups = 4;
  Values<2> x({rows, channels}, 1), h({rows, channels}, 2), gate({2, channels}, 3), shift({2, channels}, 4),
      scale({2, channels}, 5);
  Values<2> plain({rows, channels}, 6), added({rows, channels}, 7), grouped({rows, channels}, 8),
      gamma({kGroups, channels / kGroups}, 9);
  Values<1> gain({channels}, 10), bias({channels}, 11);
  Values<3> heads({rows, kGroups, channels / kGroups}, 12);
  std::vector<std::int32_t> batch;
  for (std::int64_t i = 0; i < rows; ++i) batch.push_back(i < rows / 3 ? 0 : 1);
  const std::vector<std::int64_t> begin{0, rows / 3, rows};
  const NormTail<Cpu, float> tail{gain.view(),     bias.view(), shift.view(), scale.view(), {batch.data(), {rows}},
                                  Activation::silu};
  layer_norm<Cpu, float, float>(queue, x.view(), tail, 1e-5F, plain.view());
  add_layer_norm<Cpu, float>(queue, x.view(), h.view(), gate.view(), tail, 1e-5F, added.view());
  rms_norm_heads<Cpu, float>(queue, heads.view(), gamma.view());
  group_norm<Cpu, float, float>(queue, x.view(), {begin.data(), {3}}, kGroups, gain.view(), bias.view(), 1e-5F,
                                Activation::silu, grouped.view());
  return x.hash() + " " + plain.hash() + " " + added.hash() + " " + heads.hash() + " " + grouped.hash();
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
  for (const auto& [extents, out, window] : {std::tuple{Extents<4>{1, 40, 33, 3}, 16, Window{{3, 3}, {2, 2}, {1, 1}, {1, 1}}},
                                             {Extents<4>{2, 20, 20, 64}, 32, Window{{3, 3}, {1, 1}, {4, 4}, {4, 4}}},
                                             {Extents<4>{1, 9, 70, 48}, 1, Window{{1, 1}, {1, 1}, {1, 1}, {0, 0}}},
                                             {Extents<4>{1, 257, 19, 16}, 24, Window{{3, 3}, {1, 1}, {1, 1}, {1, 1}}}}) {
    all += conv2d_of(queue, extents, out, window) + " ";
  }
  all += pooled_of(queue) + " " + attention_of(queue, 64) + " " + attention_of(queue, 20) + " ";
  for (const auto& [rows, channels] : {std::pair{1, 768}, {3000, 32}, {77, 1024}, {100'000, 8}}) {
    all += norms_of(queue, rows, channels) + " ";
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
