// Large copies between the host and a device, which on a GPU take another way than small ones.
#include "harness.h"
#include "ops/elementwise.h"

namespace espalier::test {
namespace {

template <class Backend>
class Copies : public OpTest<Backend> {
 public:
  using Device = typename Backend::Dev;

  static std::vector<std::uint8_t> bytes(std::size_t count, std::uint32_t seed) {
    std::vector<std::uint8_t> all(count);
    for (auto& b : all) {
      seed = seed * 1664525U + 1013904223U;
      b = static_cast<std::uint8_t>(seed >> 24U);
    }
    return all;
  }
};
TYPED_TEST_SUITE(Copies, FloatBackends, BackendNames);

TYPED_TEST(Copies, OddSizesComeBack) {
  using Dev = typename TestFixture::Device;
  auto& queue = this->queue();
  std::uint32_t seed = 1;
  for (const std::size_t size : {std::size_t{1}, std::size_t{4097}, (std::size_t{2} << 20U) - 1, std::size_t{2} << 20U,
                                 (std::size_t{5} << 20U) + 3, std::size_t{40} << 20U}) {
    const auto sent = this->bytes(size, ++seed);
    const Buffer<Dev> first(size, queue.ordinal(), "copies"), second(size, queue.ordinal(), "copies");
    upload_bytes(queue, sent.data(), first.data(), size);
    copy_bytes(queue, first.data(), second.data(), size);  // sees what was sent just before
    std::vector<std::uint8_t> back(size);
    download_bytes(queue, second.data(), back.data(), size);
    ASSERT_EQ(back, sent) << size << " bytes";
  }
}

TYPED_TEST(Copies, SeveralAtOnce) {
  using Dev = typename TestFixture::Device;
  auto& queue = this->queue();
  const auto sent = this->bytes(std::size_t{9} << 20U, 7);
  const Buffer<Dev> held(sent.size(), queue.ordinal(), "copies");
  upload_bytes(queue, sent.data(), held.data(), sent.size());
  const std::vector<std::pair<std::size_t, std::size_t>> cuts{{3, 4000000}, {4000003, 0}, {17, 1}, {4000003, 3111111}};
  std::vector<std::vector<std::uint8_t>> back;
  std::vector<Download> downloads;
  for (const auto& [at, size] : cuts) back.emplace_back(size);
  for (std::size_t i = 0; i < cuts.size(); ++i)
    downloads.push_back({held.data() + cuts[i].first, back[i].data(), cuts[i].second});
  download_all(queue, std::span<const Download>(downloads));
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const auto begin = sent.begin() + static_cast<std::ptrdiff_t>(cuts[i].first);
    EXPECT_EQ(back[i], std::vector<std::uint8_t>(begin, begin + static_cast<std::ptrdiff_t>(cuts[i].second))) << "copy " << i;
  }
}

// An upload into memory that earlier work still uses comes after that work.
TYPED_TEST(Copies, StayInOrder) {
  using Dev = typename TestFixture::Device;
  auto& queue = this->queue();
  const std::int64_t n = std::int64_t{4} << 20U;
  const std::vector<float> ones(static_cast<std::size_t>(n), 1.0F), twos(static_cast<std::size_t>(n), 2.0F);
  const Buffer<Dev> held(static_cast<std::size_t>(n) * sizeof(float), queue.ordinal(), "copies");
  const Buffer<Dev> sums(static_cast<std::size_t>(n) * sizeof(float), queue.ordinal(), "copies");
  const View<Dev, float, 1> x(reinterpret_cast<float*>(held.data()), {n}), sum(reinterpret_cast<float*>(sums.data()), {n});
  zero_bytes(queue, sum.data(), static_cast<std::size_t>(n) * sizeof(float));
  for (int turn = 0; turn < 3; ++turn) {
    for (const auto* values : {&ones, &twos}) {
      upload_bytes(queue, values->data(), x.data(), values->size() * sizeof(float));
      for (int i = 0; i < 8; ++i) combine<Dev, float>(queue, 1.0F, sum, 1.0F, x, sum);
    }
  }
  std::vector<float> result(static_cast<std::size_t>(n));
  download_bytes(queue, sum.data(), result.data(), result.size() * sizeof(float));
  EXPECT_EQ(std::count(result.begin(), result.end(), 72.0F), n);
}

}  // namespace
}  // namespace espalier::test
