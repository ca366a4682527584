#include "runtime/memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <limits>

#include "runtime/host_memory.h"
#include "runtime/queue.h"
#include "support/errors.h"

namespace espalier {
namespace {

TEST(HostMemory, MoreThanIsFreeIsRefused) {
  const std::size_t free = free_memory<Cpu>(0);
  ASSERT_GT(free, 0U);
  for (const std::size_t bytes : {free * 2, std::numeric_limits<std::size_t>::max()}) {
    test::expect_error(ErrorCode::out_of_memory, {"a stage", "MiB", "close other programs"},
                       [&] { const Buffer<Cpu> buffer(bytes, 0, "a stage"); });
  }
}

TEST(HostMemory, IsAlignedAndWritable) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{1} << 20U}) {
    const Buffer<Cpu> buffer(bytes, 0, "buffer");
    ASSERT_NE(buffer.data(), nullptr);
    EXPECT_EQ(buffer.bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kAlignment, 0U);
    std::fill_n(buffer.data(), bytes, std::byte{7});
  }
}

TEST(HostMemory, NothingIsMeasuredUnlessAsked) {
  const HostMemoryWatch watch(false);
  EXPECT_EQ(watch.start(), 0U);
  EXPECT_EQ(watch.peak(), 0U);
}

TEST(HostMemory, WatchSeesWhatIsGoneAgain) {
  constexpr std::size_t kBytes = std::size_t{96} << 20U;
  const auto touch = [] {  // mapped by hand, because allocators, above all those of sanitizers, keep what is freed
    void* const bytes = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(bytes, MAP_FAILED);
    std::fill_n(static_cast<std::byte*>(bytes), kBytes, std::byte{1});
    ASSERT_EQ(::munmap(bytes, kBytes), 0);
  };
  const HostMemoryWatch first(true);
  touch();
  if (first.peak() == 0) GTEST_SKIP() << "this system tells no peak";
  EXPECT_GE(first.peak(), first.start() + kBytes * 9 / 10);
  const HostMemoryWatch second(true);
  if (second.peak() != 0) {
    EXPECT_LT(second.peak(), first.start() + kBytes / 2) << "the mark of the work before was kept";
  }
}

}  // namespace
}  // namespace espalier
