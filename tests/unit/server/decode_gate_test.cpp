#include "decode_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "http_connection.h"

namespace espalier::server {
namespace {

using Kind = DecodeGate::Kind;
const auto stays = [] { return false; };

int status_of(DecodeGate& gate, Kind kind, std::uint64_t bytes) {
  try {
    const auto pass = gate.enter(kind, bytes, stays);
  } catch (const HttpError& error) {
    return error.status();
  }
  return 200;
}

// Calls until it says so, because another thread needs its time.
template <class Condition>
void wait_until(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

TEST(DecodeGate, SmallOnesPassTogetherAndALargeOneAlone) {
  DecodeGate gate({.bytes = 100, .preview_patience = std::chrono::milliseconds(1)});
  const auto first = gate.enter(Kind::preview, 60, stays);
  {
    const auto second = gate.enter(Kind::job, 40, stays);
    EXPECT_EQ(status_of(gate, Kind::preview, 1), 503);
  }
  EXPECT_EQ(status_of(gate, Kind::preview, 40), 200);
  EXPECT_EQ(status_of(gate, Kind::preview, 41), 503);
  DecodeGate other({.bytes = 100});
  EXPECT_EQ(status_of(other, Kind::job, 1'000'000), 200);
}

// A preview that takes seconds and everything there is (a network for backgrounds) keeps no job out.
TEST(DecodeGate, PreviewsLeaveRoomForJobs) {
  DecodeGate gate({.bytes = 100, .preview_bytes = 70, .preview_patience = std::chrono::milliseconds(1)});
  const auto large = gate.enter(Kind::preview, 1'000'000, stays);
  EXPECT_EQ(status_of(gate, Kind::preview, 1), 503);
  const auto job = gate.enter(Kind::job, 20, stays);
  EXPECT_EQ(status_of(gate, Kind::job, 10), 200);
}

TEST(DecodeGate, ThoseWhoLeaveAreNotWaitedFor) {
  DecodeGate gate({.bytes = 100});
  std::atomic<bool> left{false};
  const auto first = gate.enter(Kind::preview, 100, stays);
  std::thread waiting([&] { EXPECT_THROW((void)gate.enter(Kind::preview, 1, [&] { return left.load(); }), Gone); });
  left = true;
  waiting.join();
  DecodeGate idle;
  EXPECT_THROW((void)idle.enter(Kind::preview, 1, [] { return true; }), Gone);
  EXPECT_EQ(status_of(idle, Kind::preview, 1), 200);
}

TEST(DecodeGate, FewPreviewsWaitAndJobsGoFirst) {
  DecodeGate gate(
      {.bytes = 100, .previews = 1, .preview_patience = std::chrono::minutes(10), .job_patience = std::chrono::minutes(10)});
  std::vector<char> order;
  std::mutex mutex;
  std::atomic<int> looks{0};
  std::atomic<int> job_looks{0};
  const auto note = [&](char who) {
    const std::scoped_lock lock(mutex);
    order.push_back(who);
  };
  std::thread preview, job;
  {
    const auto first = gate.enter(Kind::preview, 100, stays);
    preview = std::thread([&] {
      const auto pass = gate.enter(Kind::preview, 100, [&] { return ++looks < 0; });
      note('p');
    });
    wait_until([&] { return looks > 0; });  // it waits by now
    EXPECT_EQ(status_of(gate, Kind::preview, 1), 503);
    job = std::thread([&] {
      const auto pass = gate.enter(Kind::job, 100, [&] { return ++job_looks < 0; });
      note('j');
    });
    wait_until([&] { return job_looks > 0; });
  }
  preview.join();
  job.join();
  EXPECT_EQ(order, (std::vector{'j', 'p'}));
}

TEST(DecodeGate, ManyAtOnceAllGetThrough) {
  DecodeGate gate({.bytes = 100,
                   .previews = 1000,
                   .jobs = 1000,
                   .preview_patience = std::chrono::minutes(10),
                   .job_patience = std::chrono::minutes(10)});
  std::atomic<int> inside{0}, most{0};
  std::vector<std::thread> all;
  for (int i = 0; i < 40; ++i) {
    all.emplace_back([&, i] {
      const auto pass = gate.enter(i % 2 == 0 ? Kind::job : Kind::preview, 30, stays);
      const int now = ++inside;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      std::this_thread::yield();
      --inside;
    });
  }
  for (std::thread& one : all) one.join();
  EXPECT_LE(most, 3);
}

}  // namespace
}  // namespace espalier::server
