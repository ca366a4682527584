// Sorting, running sums and owned arrays.
#include <algorithm>
#include <utility>

#include "harness.h"
#include "parallel/compact.h"
#include "parallel/for_each.h"
#include "parallel/scan.h"
#include "parallel/sort.h"
#include "runtime/array.h"

namespace espalier::test {
namespace {

template <class Backend>
class Parallel : public OpTest<Backend> {
 protected:
  View<typename Backend::Dev, std::byte, 1> room(std::size_t bytes) {
    const auto n = static_cast<std::int64_t>(bytes);
    return {room_.resize(this->queue(), n, "workspace"), {n}};
  }

 private:
  espalier::Array<typename Backend::Dev, std::byte> room_;
};
TYPED_TEST_SUITE(Parallel, FloatBackends, BackendNames);

template <class T>
std::vector<T> random_values(std::int64_t n, std::uint64_t below, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<T> values(static_cast<std::size_t>(n));
  for (T& v : values) v = static_cast<T>(random() % below);
  return values;
}

TYPED_TEST(Parallel, SortsStablyByTheGivenBits) {
  using Dev = typename TypeParam::Dev;
  auto& queue = this->queue();
  for (const std::int64_t n : {0, 1, 2, 1000, 100000}) {
    for (const int bits : {0, 1, 7, 11, 12, 23, 32}) {
      const auto host_keys = random_values<std::uint32_t>(n, std::uint64_t{1} << bits, 7U * static_cast<unsigned>(bits));
      std::vector<std::int32_t> rows(host_keys.size());
      std::iota(rows.begin(), rows.end(), 0);
      const espalier::Array<Dev, std::uint32_t> keys(queue, host_keys, "keys"), spare_keys(queue, n, "keys");
      const espalier::Array<Dev, std::int32_t> values(queue, rows, "values"), spare_values(queue, n, "values");
      const auto sorted =
          sort_pairs<Dev, std::int32_t>(queue, {keys.data(), values.data(), spare_keys.data(), spare_values.data()}, n, bits,
                                        this->room(sort_bytes<Dev>(n, bits)));
      ASSERT_TRUE(sorted.keys == keys.data() ? sorted.values == values.data()
                                             : sorted.keys == spare_keys.data() && sorted.values == spare_values.data());
      std::stable_sort(rows.begin(), rows.end(), [&](std::int32_t a, std::int32_t b) {
        return host_keys[static_cast<std::size_t>(a)] < host_keys[static_cast<std::size_t>(b)];
      });
      const auto& in_values = sorted.values == values.data() ? values : spare_values;
      const auto& in_keys = sorted.keys == keys.data() ? keys : spare_keys;
      EXPECT_EQ(in_values.host(queue), rows) << n << " by " << bits << " bits";
      const std::vector<std::uint32_t> got = in_keys.host(queue);
      for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(got[i], host_keys[static_cast<std::size_t>(rows[i])]);
    }
  }
}

TYPED_TEST(Parallel, SumsUpInPlace) {
  using Dev = typename TypeParam::Dev;
  auto& queue = this->queue();
  for (const std::int64_t n : {0, 1, 31, 4097, 300001}) {
    const auto counts = random_values<std::int32_t>(n, 1000, 3);
    const espalier::Array<Dev, std::int32_t> values(queue, counts, "counts");
    exclusive_sum<Dev>(queue, values.template view<1>({n}), this->room(sum_bytes<Dev>(n)));
    std::vector<std::int32_t> expected(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), expected.begin(), 0);
    EXPECT_EQ(values.host(queue), expected) << n;
  }
}

TYPED_TEST(Parallel, ListsOfGroupsFollowEachOther) {
  using Dev = typename TypeParam::Dev;
  auto& queue = this->queue();
  for (const std::int64_t n : {0, 1, 33, 40001}) {
    std::vector<std::int32_t> counts = random_values<std::int32_t>(n, 4, 6), expected;
    std::int32_t items = 0;
    for (const std::int32_t count : counts) expected.push_back(std::exchange(items, items + count));
    expected.push_back(items);
    counts.push_back(-7);  // what stands behind the last group counts for nothing
    const espalier::Array<Dev, std::int32_t> begin(queue, counts, "counts");
    place_items<Dev>(queue, begin.template view<1>({n + 1}), this->room(sum_bytes<Dev>(n + 1)));
    EXPECT_EQ(item_count<Dev>(queue, begin.template view<1>({n + 1})), items) << n;
    EXPECT_EQ(begin.host(queue), expected) << n;
  }
}

TYPED_TEST(Parallel, SumsUpInAnotherOrder) {
  using Dev = typename TypeParam::Dev;
  auto& queue = this->queue();
  for (const std::int64_t n : {1, 1000, 70000}) {
    const auto counts = random_values<std::uint32_t>(2 * n, 1000, 4);
    const auto order = random_values<std::uint32_t>(n, static_cast<std::uint64_t>(2 * n), 5);
    const espalier::Array<Dev, std::uint32_t> values(queue, counts, "counts"), rows(queue, order, "rows"),
        out(queue, n, "sums");
    exclusive_sum<Dev>(queue, values.template view<1>({2 * n}), rows.template view<1>({n}), out.template view<1>({n}),
                       this->room(sum_bytes<Dev>(n)));
    std::uint32_t sum = 0;
    std::vector<std::uint32_t> expected;
    for (const std::uint32_t row : order) {
      expected.push_back(sum);
      sum += counts[row];
    }
    EXPECT_EQ(out.host(queue), expected) << n;
  }
}

TYPED_TEST(Parallel, ArraysKeepMemoryThatIsLargeEnough) {
  using Dev = typename TypeParam::Dev;
  auto& queue = this->queue();
  espalier::Array<Dev, std::int64_t> array;
  EXPECT_EQ(array.size(), 0);
  std::int64_t* const first = array.resize(queue, 1000, "numbers");
  EXPECT_EQ(array.resize(queue, 10, "numbers"), first);
  EXPECT_EQ(array.size(), 10);
  EXPECT_EQ(array.resize(queue, 1000, "numbers"), first);
  std::int64_t* const larger = array.resize(queue, 2000, "numbers");
  EXPECT_EQ(array.resize(queue, 2200, "numbers"), larger) << "an eighth more is taken when it grows";
  array.zero(queue);
  EXPECT_EQ(array.host(queue), std::vector<std::int64_t>(2200, 0));
  const std::vector<std::int64_t> values{3, 1, 4};
  const espalier::Array<Dev, std::int64_t> copy(queue, values, "numbers");
  EXPECT_EQ(copy.host(queue), values);
  EXPECT_THROW((void)copy.template view<2>({2, 2}), Error);
  EXPECT_THROW(copy.set(queue, std::vector<std::int64_t>{1, 2}), Error);
}

TEST(ForEach, RunsEveryStepOnceAndNoneWhileMetering) {
  Queue<Cpu> queue;
  std::vector<int> hits(50000);
  int* const at = hits.data();
  const auto step = [at](std::int64_t i) { ++at[i]; };
  for_each(queue, "test", static_cast<std::int64_t>(hits.size()), step);
  EXPECT_EQ(std::count(hits.begin(), hits.end(), 1), 50000);
  Arena<Cpu> meter;
  queue.use(&meter);
  for_each(queue, "test", static_cast<std::int64_t>(hits.size()), step);
  EXPECT_EQ(std::count(hits.begin(), hits.end(), 1), 50000);
}

}  // namespace
}  // namespace espalier::test
