// What only the CUDA back end has: plans of matrix products, large grids, the GPU list, errors of the driver.
#include "base/with_cuda.h"

#if ESPALIER_WITH_CUDA
#include "harness.h"
#include "ops/convolution.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "weights/loader.h"

namespace espalier::test {
namespace {

class Gpu : public OpTest<On<Cuda, float>> {};

// The tanh and erf forms of GELU differ by up to 5e-4, most of all near -2.3, where a half is fine enough to tell. The
// library's fused one must be the tanh form.
TEST_F(Gpu, FusedGeluIsTheTanhForm) {
  const std::int64_t n = 4096;
  Host<2> values({n, 8});
  for (std::int64_t i = 0; i < n; ++i) values(i, 0) = -4.0 + 3.0 * static_cast<double>(i) / static_cast<double>(n);
  auto x = make<half>(values);
  Host<2> firsts({8, 8});
  for (std::int64_t o = 0; o < 8; ++o) firsts(o, 0) = 1;
  auto w = make<half>(firsts);
  auto bias = random_of<half>(Extents<1>{8}, 0, 0);
  auto out = poisoned_of<half>(Extents<2>{n, 8});
  run([&](auto& q) { linear(q, x.view(), w.view(), bias.view(), Activation::gelu_tanh, out.view()); });
  const Host<2> actual = out.download();
  double worst = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    worst = std::max(worst, std::abs(actual(i, 3) - reference_activation(x.host(i, 0), Activation::gelu_tanh)));
  }
  EXPECT_LT(worst, 1e-4);
}

// A kernel of its own computes one out channel of many cells, in the order of the one for several.
TEST_F(Gpu, OneOutChannelHasTheBitsOfSeveral) {
  const Extents<5> cells{1, 61, 70, 60, 36};
  auto x = random(cells);
  auto w = random(Extents<5>{2, 3, 3, 3, 36}, 0, 0.03);
  auto bias = random(Extents<1>{2});
  auto both = poisoned(Extents<5>{1, 61, 70, 60, 2});
  auto one = poisoned(Extents<5>{1, 61, 70, 60, 1});
  run([&](auto& q) {
    conv3d(q, x.view(), w.view(), bias.view(), {}, both.view());
    conv3d(q, x.view(), w.view().rows(0, 1), bias.view().rows(0, 1), {}, one.view());
  });
  const auto several = both.download().values, single = one.download().values;
  std::int64_t different = 0;
  for (std::size_t i = 0; i < single.size(); ++i) different += single[i] == several[2 * i] ? 0 : 1;
  EXPECT_EQ(different, 0);
}

// One shape with different addresses, strides and epilogues must not share a plan that does not fit all of them.
TEST_F(Gpu, PlansFollowAlignmentAndStride) {
  auto all = random(Extents<2>{64, 200}, 0);
  auto w = random(Extents<2>{40, 64}, 0, 0.125);
  for (const std::int64_t begin : {0, 1, 2, 4, 8, 3, 0, 64}) {
    auto out = poisoned(Extents<2>{64, 40});
    run([&](auto& q) {
      linear(q, columns(View<Cuda, const float, 2>(all.view()), begin, 64), w.view(), {}, Activation::none, out.view());
    });
    Host<2> expected({64, 40});
    for (std::int64_t r = 0; r < 64; ++r) {
      for (std::int64_t o = 0; o < 40; ++o) {
        for (std::int64_t c = 0; c < 64; ++c) expected(r, o) += all.host(r, begin + c) * w.host(o, c);
      }
    }
    expect_close(out.download(), expected, tolerance<float>(64), str("from column ", begin));
  }
}

// More rows than one dimension of a grid may have blocks in y or z, and an index beyond 2^31 elements.
TEST_F(Gpu, ElementsBeyondTwoToThe31) {
  const std::int64_t rows = (std::int64_t{1} << 31) / 1024 + 3;
  const auto bytes = static_cast<std::size_t>(rows * 1024) * sizeof(half);
  if (free_memory<Cuda>(0) < bytes + (std::size_t{1} << 30)) GTEST_SKIP() << "needs " << (bytes >> 20) << " MiB of GPU memory";
  Buffer<Cuda> buffer(bytes, 0, "large test array");
  const View<Cuda, half, 2> x(reinterpret_cast<half*>(buffer.data()), {rows, 1024});
  zero_bytes(queue(), x.data(), bytes);
  NormTail<Cuda, half> tail;
  auto bias = make<float>([] {
    Host<1> b({1024});
    for (std::size_t i = 0; i < 1024; ++i) b.values[i] = static_cast<double>(i % 64);
    return b;
  }());
  tail.bias = bias.view();
  layer_norm<Cuda, half, half>(queue(), x, tail, 1e-6F, x);
  auto ones = make<half>([] {
    Host<1> b({1024});
    std::fill(b.values.begin(), b.values.end(), 1.0);
    return b;
  }());
  scale_columns(queue(), x, {}, ones.view(), x);
  std::vector<half> last(2048);
  download_bytes(queue(), x.data() + (rows - 2) * 1024, last.data(), last.size() * sizeof(half));
  for (std::size_t i = 0; i < last.size(); ++i) ASSERT_EQ(to_float(last[i]), static_cast<float>(i % 64 + 1)) << i;
}

TEST_F(Gpu, ListsThisGpuAsCovered) {
  const auto gpus = list_gpus();
  ASSERT_FALSE(gpus.empty());
  EXPECT_TRUE(gpus[0].covered) << gpus[0].advice;
  EXPECT_GT(gpus[0].total_bytes, gpus[0].free_bytes);
  EXPECT_GE(gpus[0].driver, gpus[0].runtime);
}

TEST_F(Gpu, TooLargeABufferSaysWhatItNeeds) {
  try {
    const Buffer<Cuda> buffer(std::size_t{1} << 45, 0, "the weights");
    FAIL() << "no GPU has 32 TiB";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::out_of_memory);
    const std::string text = e.what();
    EXPECT_NE(text.find("the weights needs 33554432 MiB"), std::string::npos) << text;
    EXPECT_NE(text.find("--vram-tier low"), std::string::npos) << text;
  }
  queue().synchronize();
}

// As the loader's conversion on the host has it, bit by bit: types, transposition, parts that end anywhere, unaligned bytes.
TEST_F(Gpu, MovedTensorsAreThoseThatTheHostConverts) {
  struct Case {
    DType stored;
    std::vector<std::int64_t> extents;
    Order order;
  };
  const std::vector<Case> cases{{DType::f32, {3000, 1023}, Order::as_stored},
                                {DType::f16, {1500, 2049}, Order::as_stored},
                                {DType::bf16, {7, 5}, Order::as_stored},
                                {DType::f64, {300, 1001}, Order::as_stored},
                                {DType::f32, {130, 70, 3, 3, 3}, Order::channels_last},
                                {DType::f16, {64, 100, 3, 3, 3}, Order::channels_last},
                                {DType::bf16, {5, 6, 2, 2, 2}, Order::channels_last},
                                {DType::f32, {0, 4}, Order::as_stored},
                                {DType::f16, {3, 1, 3, 3, 3}, Order::channels_last}};
  std::vector<std::vector<std::byte>> stored;
  std::vector<TensorEntry> entries;
  for (const Case& c : cases) {
    const auto count = checked_size(c.extents);
    std::vector<std::byte>& bytes = stored.emplace_back(static_cast<std::size_t>(count) * size_of(c.stored) + 1);
    for (std::int64_t i = 0; i < count; ++i) {
      // Over all of half's range, subnormal numbers and what is too large included.
      const double value = (uniform() - 0.5) * std::pow(2.0, -26.0 + 44.0 * uniform());
      const auto single = static_cast<float>(value);
      const half narrow_value = to_half(single);
      std::uint32_t bits = 0;
      std::memcpy(&bits, &single, sizeof(bits));
      const auto upper = static_cast<std::uint16_t>(bits >> 16U);
      std::byte* to = bytes.data() + 1 + static_cast<std::size_t>(i) * size_of(c.stored);
      if (c.stored == DType::f64) std::memcpy(to, &value, 8);
      if (c.stored == DType::f32) std::memcpy(to, &single, 4);
      if (c.stored == DType::f16) std::memcpy(to, &narrow_value, 2);
      if (c.stored == DType::bf16) std::memcpy(to, &upper, 2);
    }
    entries.push_back({c.stored, c.extents, bytes.data() + 1, bytes.size() - 1});
  }
  const auto check = [&](auto example) {
    using T = decltype(example);
    std::vector<Buffer<Cuda>> held;
    std::vector<TensorMove> moves;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto bytes = static_cast<std::size_t>(checked_size(cases[i].extents)) * sizeof(T);
      held.emplace_back(bytes, 0, "a moved tensor");
      moves.push_back(plan_move("test", "t", entries[i], cases[i].order, held.back().data(), dtype_of<T>::value));
    }
    move_tensors(queue(), std::span<const TensorMove>(moves));
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto bytes = static_cast<std::size_t>(checked_size(cases[i].extents)) * sizeof(T);
      std::vector<std::byte> staging, moved(bytes);
      const T* expected = convert_tensor<T>("test", "t", entries[i], cases[i].order, staging);
      download_bytes(queue(), held[i].data(), moved.data(), bytes);
      EXPECT_TRUE(bytes == 0 || std::memcmp(moved.data(), expected, bytes) == 0) << "tensor " << i;
    }
  };
  check(float{});
  check(half{});
  check(float{});  // the lanes are used again
}

TEST_F(Gpu, AnUnknownGpuIsAnError) { EXPECT_THROW(Queue<Cuda>(4096), Error); }

}  // namespace
}  // namespace espalier::test
#endif
