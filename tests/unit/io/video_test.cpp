#include "io/process/video.h"

#include <gtest/gtest.h>
#include <webp/demux.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::expect_error;

// A gray that grows from frame to frame, with a red left half.
Image frame_of(int index, int width, int height, int channels) {
  Image image(width, height, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.at(x, y)[c] = static_cast<std::uint8_t>(c == 3 ? 255 : (c == 0 && x < width / 2 ? 230 : 40 + 20 * index));
      }
    }
  }
  return image;
}

FrameSource frames(int width, int height, int channels = 3) {
  return [=](int index) { return frame_of(index, width, height, channels); };
}

std::string text_of(const std::vector<std::byte>& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

class Counter : public Monitor {
 public:
  explicit Counter(int cancel_after = 1 << 30) : cancel_after_(cancel_after) {}
  void progress(int done, int total) const override {
    last_ = done;
    total_ = total;
  }
  [[nodiscard]] bool cancelled() const override { return last_ >= cancel_after_; }
  [[nodiscard]] int last() const { return last_; }
  [[nodiscard]] int total() const { return total_; }

 private:
  int cancel_after_;
  mutable int last_ = 0, total_ = 0;
};

TEST(AnimatedWebP, ReadsBack) {
  for (const int channels : {3, 4}) {
    const VideoOptions options{.frames = 5, .frames_per_second = 25, .quality = 100, .comment = "seed 7 & more"};
    const Counter monitor;
    const auto bytes = encode_animated_webp(frames(33, 17, channels), options, &monitor);
    EXPECT_EQ(monitor.last(), 5);
    EXPECT_EQ(monitor.total(), 5);
    EXPECT_EQ(bytes, encode_animated_webp(frames(33, 17, channels), options, nullptr));
    EXPECT_NE(text_of(bytes).find("seed 7 &amp; more"), std::string::npos);

    const WebPData data = {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    WebPAnimDecoder* decoder = WebPAnimDecoderNew(&data, nullptr);
    ASSERT_NE(decoder, nullptr);
    WebPAnimInfo info;
    ASSERT_NE(WebPAnimDecoderGetInfo(decoder, &info), 0);
    EXPECT_EQ(info.frame_count, 5U);
    EXPECT_EQ(info.loop_count, 0U);
    EXPECT_EQ(info.canvas_width, 33U);
    for (int i = 0; i < 5; ++i) {
      std::uint8_t* rgba = nullptr;
      int end = 0;
      ASSERT_NE(WebPAnimDecoderGetNext(decoder, &rgba, &end), 0);
      EXPECT_EQ(end, (i + 1) * 40);
      const Image expected = frame_of(i, 33, 17, 4);
      EXPECT_TRUE(std::equal(expected.pixels.begin(), expected.pixels.end(), rgba)) << "frame " << i;
    }
    WebPAnimDecoderDelete(decoder);
  }
}

TEST(AnimatedWebP, LossyIsSmallerAndCancelStops) {
  const auto noise = [](int index) {
    Image image(64, 64, 3);
    unsigned x = static_cast<unsigned>(index) + 1;
    for (auto& p : image.pixels) p = static_cast<std::uint8_t>((x = x * 1664525U + 1013904223U) >> 24U);
    return image;
  };
  const auto size = [&](int quality) { return encode_animated_webp(noise, {.frames = 3, .quality = quality}, nullptr).size(); };
  EXPECT_LT(size(40), size(100));
  const Counter monitor(2);
  expect_error(ErrorCode::cancelled, {}, [&] { (void)encode_animated_webp(noise, {.frames = 50}, &monitor); });
  EXPECT_EQ(monitor.last(), 2);
}

TEST(Video, OptionsAndFramesThatMakeNoVideo) {
  const auto refuse = [](const FrameSource& source, const VideoOptions& options, ErrorCode code,
                         std::initializer_list<const char*> words) {
    expect_error(code, words, [&] { (void)encode_animated_webp(source, options, nullptr); });
    expect_error(code, words, [&] { (void)encode_mp4(source, options, nullptr); });
  };
  const auto argument = ErrorCode::invalid_argument;
  refuse(frames(8, 8), {.frames = 0}, argument, {"number of frames"});
  refuse(frames(8, 8), {.frames = 2, .frames_per_second = 0}, argument, {"per second"});
  refuse(frames(8, 8), {.frames = 2, .quality = 101}, argument, {"quality"});
  refuse(frames(8, 8), {.frames = 2, .comment = "a\nb"}, argument, {"comment"});
  refuse([](int) { return Image(); }, {.frames = 2}, ErrorCode::internal, {"not an image"});
  refuse(frames(16384, 1), {.frames = 2}, argument, {"too large"});
  expect_error(ErrorCode::internal, {"another size"},
               [] { (void)encode_animated_webp([](int i) { return Image(8 + i, 8, 3); }, {.frames = 2}, nullptr); });
}

// The first bytes of top-level boxes, in order.
std::string boxes_of(const std::vector<std::byte>& mp4) {
  std::string names;
  for (std::size_t at = 0; at + 8 <= mp4.size();) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8U | std::to_integer<std::size_t>(mp4[at + i]);
    names +=
        text_of({mp4.begin() + static_cast<std::ptrdiff_t>(at + 4), mp4.begin() + static_cast<std::ptrdiff_t>(at + 8)}) + " ";
    if (size < 8) break;
    at += size;
  }
  return names;
}

TEST(Mp4, FfmpegReadsItBack) {
  if (!has_ffmpeg()) GTEST_SKIP() << "SKIPPED: ffmpeg is not installed";
  // Odd sides: the last row and column come twice.
  const Counter monitor;
  const auto bytes =
      encode_mp4(frames(65, 47), {.frames = 6, .frames_per_second = 12, .quality = 100, .comment = "seed 7; rm -rf"}, &monitor);
  EXPECT_EQ(monitor.last(), 6);
  const std::string boxes = boxes_of(bytes);
  EXPECT_EQ(boxes.substr(0, 10), "ftyp moov ");  // the index comes first
  EXPECT_NE(text_of(bytes).find("seed 7; rm -rf"), std::string::npos);

  const test::TemporaryFolder folder;
  write_file(folder / "x.mp4", bytes);
  const std::string command = "ffmpeg -nostdin -loglevel error -i '" + (folder / "x.mp4").string() +
                              "' -f rawvideo -pix_fmt rgb24 '" + (folder / "x.raw").string() + "' </dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto raw = read_file(folder / "x.raw", 1U << 20U);
  ASSERT_EQ(raw.size(), 6U * 66 * 48 * 3);
  for (int i = 0; i < 6; ++i) {
    const Image expected = frame_of(i, 65, 47, 3);
    for (const auto& [x, y] : {std::pair{5, 5}, std::pair{60, 40}}) {
      const std::size_t at =
          ((static_cast<std::size_t>(i) * 48 + static_cast<std::size_t>(y)) * 66 + static_cast<std::size_t>(x)) * 3;
      for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(std::to_integer<int>(raw[at + c]), expected.at(x, y)[c], 8) << "frame " << i << " at " << x << ", " << y;
      }
    }
  }
}

TEST(Mp4, WithoutFfmpegTheWayOutIsNamed) {
  EXPECT_FALSE(has_ffmpeg("/nowhere/ffmpeg"));
  expect_error(ErrorCode::unsupported, {"MP4", "/nowhere/ffmpeg", "install ffmpeg", ".webp"},
               [] { (void)encode_mp4(frames(8, 8), {.frames = 2, .ffmpeg = "/nowhere/ffmpeg"}, nullptr); });
}

// Programs that behave badly in place of ffmpeg.
class FakeFfmpeg {
 public:
  explicit FakeFfmpeg(const std::string& script) {
    std::ofstream(path()) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
  }
  [[nodiscard]] std::string path() const { return (folder_ / "ffmpeg").string(); }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  test::TemporaryFolder folder_;
};

TEST(Mp4, FailuresOfTheChildAreErrors) {
  const auto refuse = [](const char* script, std::initializer_list<const char*> words) {
    SCOPED_TRACE(script);
    const FakeFfmpeg fake(script);
    expect_error(ErrorCode::io, words,
                 [&] { (void)encode_mp4(frames(640, 480), {.frames = 30, .ffmpeg = fake.path()}, nullptr); });
  };
  refuse("echo no such encoder >&2; exit 3", {"no such encoder"});  // gone before the frames are: no SIGPIPE
  refuse("cat >/dev/null; echo disk full >&2; exit 4", {"status 4", "disk full"});
  refuse("cat >/dev/null", {"wrote nothing"});
  refuse("cat >/dev/null; kill -9 $$", {"signal"});
  refuse("exec 0<&-; yes complaint | head -c 3000000 >&2; exit 5", {"complaint"});  // more words than a pipe holds
}

TEST(Mp4, ASuccessfulChild) {
  // Echoes the size of its input; descriptor 3 is a file.
  const FakeFfmpeg fake("wc -c >/proc/self/fd/3");
  const auto bytes = encode_mp4(frames(10, 10), {.frames = 3, .ffmpeg = fake.path()}, nullptr);
  EXPECT_EQ(std::stoi(text_of(bytes)), 900);
}

TEST(Mp4, CancelKillsTheChild) {
  // Takes one frame and then nothing: the writer waits. Its number tells us whether it is still there.
  const FakeFfmpeg fake("echo $$ >\"$0.pid\"; exec sleep 1000");
  class Stop : public Monitor {
   public:
    void progress(int, int) const override {}
    [[nodiscard]] bool cancelled() const override { return stop.load(); }
    std::atomic<bool> stop = false;
  } monitor;
  std::thread later([&] {
    for (int i = 0; i < 500 && !std::filesystem::exists(fake.path() + ".pid"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    monitor.stop = true;
  });
  expect_error(ErrorCode::cancelled, {},
               [&] { (void)encode_mp4(frames(640, 480), {.frames = 30, .ffmpeg = fake.path()}, &monitor); });
  later.join();
  long pid = 0;
  std::ifstream(fake.path() + ".pid") >> pid;
  ASSERT_GT(pid, 0);
  EXPECT_FALSE(std::filesystem::exists(str("/proc/", pid)));
}

}  // namespace
}  // namespace espalier
