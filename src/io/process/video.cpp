#include "io/process/video.h"

#include <webp/encode.h>
#include <webp/mux.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "io/formats/checks.h"
#include "io/formats/text.h"
#include "io/process/child.h"

namespace espalier {

namespace {

void check_options(const VideoOptions& options, const char* format) {
  constexpr int kMaxFrames = 100'000, kMaxRate = 240;
  const auto check = [&](int value, int low, int high, const char* what) {
    if (value < low || value > high) {
      fail(ErrorCode::invalid_argument, format, ": ", what, " must lie between ", low, " and ", high, ", not ", value);
    }
  };
  check(options.frames, 1, kMaxFrames, "the number of frames");
  check(options.frames_per_second, 1, kMaxRate, "the number of frames per second");
  check(options.quality, 0, 100, "the quality");
  check_comment(options.comment, format);
}

// Asks for the frames in order, and holds each to the shape of the first.
class Frames {
 public:
  Frames(const FrameSource& source, const VideoOptions& options, const Monitor* monitor, const char* format)
      : source_(source), options_(options), monitor_(monitor), format_(format) {}

  [[nodiscard]] bool more() const { return done_ < options_.frames; }
  [[nodiscard]] int done() const { return done_; }
  Image next() {
    if (monitor_ != nullptr) monitor_->check();
    Image image = source_(done_);
    const bool whole = image.width > 0 && image.height > 0 && (image.channels == 3 || image.channels == 4) &&
                       image.pixels.size() == image.pixel_count() * static_cast<std::size_t>(image.channels);
    require(whole, format_, "frame ", done_, " is not an image");
    constexpr int kMaxSide = 16383;
    if (image.width > kMaxSide || image.height > kMaxSide) {
      fail(ErrorCode::invalid_argument, format_, ": frames of ", image.width, " x ", image.height, " are too large (at most ",
           kMaxSide, " on a side)");
    }
    if (done_ == 0) {
      width_ = image.width;
      height_ = image.height;
      channels_ = image.channels;
    }
    require(image.width == width_ && image.height == height_ && image.channels == channels_, format_, "frame ", done_,
            " has another size than the first");
    ++done_;
    return image;
  }
  void report_done() const {
    if (monitor_ != nullptr) monitor_->progress(done_, options_.frames);
  }

 private:
  const FrameSource& source_;
  const VideoOptions& options_;
  const Monitor* monitor_;
  const char* format_;
  int done_ = 0, width_ = 0, height_ = 0, channels_ = 0;
};

// H.264 in 4:2:0 wants even sides: the last row and column once more.
Image evened(Image image) {
  if (image.width % 2 == 0 && image.height % 2 == 0) return image;
  Image even(image.width + image.width % 2, image.height + image.height % 2, 3);
  for (int y = 0; y < even.height; ++y) {
    for (int x = 0; x < even.width; ++x) {
      std::memcpy(even.at(x, y), image.at(std::min(x, image.width - 1), std::min(y, image.height - 1)), 3);
    }
  }
  return even;
}

std::vector<std::string> ffmpeg_arguments(const Image& frame, const VideoOptions& options) {
  // The constant rate factor: 16 looks lossless, 36 poor.
  const int rate_factor = 36 - options.quality / 5;
  std::vector<std::string> words = {options.ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error"};
  const auto add = [&](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
  add({"-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", str(frame.width, "x", frame.height)});
  add({"-framerate", std::to_string(options.frames_per_second), "-i", "pipe:0", "-an"});
  add({"-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "medium"});
  add({"-crf", std::to_string(rate_factor), "-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709"});
  add({"-color_trc", "bt709", "-movflags", "+faststart"});
  if (!options.comment.empty()) add({"-metadata", str("comment=", options.comment)});
  add({"-f", "mp4", "-y", str("file:", Child::kOutputPath)});
  return words;
}

// The comment as XMP, the one place in a WebP for text.
std::string xmp_of(const std::string& comment) {
  return str("<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">",
             "<rdf:Description xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:description><rdf:Alt>",
             "<rdf:li xml:lang=\"x-default\">", escaped_xml(comment),
             "</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>");
}

struct FreeAnimation {
  void operator()(WebPAnimEncoder* encoder) const { WebPAnimEncoderDelete(encoder); }
};
struct FreeMux {
  void operator()(WebPMux* mux) const { WebPMuxDelete(mux); }
};

struct OwnedData : WebPData {
  OwnedData() : WebPData() { WebPDataInit(this); }
  OwnedData(const OwnedData&) = delete;
  OwnedData& operator=(const OwnedData&) = delete;
  ~OwnedData() { WebPDataClear(this); }
  [[nodiscard]] std::vector<std::byte> copy() const {
    const auto* begin = reinterpret_cast<const std::byte*>(bytes);
    return {begin, begin + size};
  }
};

struct OwnedFrame : WebPPicture {
  explicit OwnedFrame(const Image& image) : WebPPicture() {
    require(WebPPictureInit(this) != 0, "encode_animated_webp", "another libwebp than at build time");
    use_argb = 1;
    width = image.width;
    height = image.height;
    const int step = image.width * image.channels;
    const int done = image.channels == 4 ? WebPPictureImportRGBA(this, image.pixels.data(), step)
                                         : WebPPictureImportRGB(this, image.pixels.data(), step);
    if (done == 0) fail(ErrorCode::out_of_memory, "not enough memory for a frame of an animated WebP");
  }
  OwnedFrame(const OwnedFrame&) = delete;
  OwnedFrame& operator=(const OwnedFrame&) = delete;
  ~OwnedFrame() { WebPPictureFree(this); }
};

}  // namespace

bool has_ffmpeg(const std::string& program) {
  try {
    Child child({program, "-hide_banner", "-version"});
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::byte> encode_mp4(const FrameSource& source, const VideoOptions& options, const Monitor* monitor) {
  constexpr const char* kFormat = "MP4";
  constexpr std::uint64_t kLimit = std::uint64_t{2} << 30U;
  check_options(options, kFormat);
  Frames frames(source, options, monitor, kFormat);
  std::unique_ptr<Child> child;
  while (frames.more()) {
    const Image frame = evened(frames.next());
    if (frame.channels != 3)
      fail(ErrorCode::invalid_argument, kFormat, ": a frame has an alpha channel, which a video cannot hold");
    if (!child) {
      try {
        child = std::make_unique<Child>(ffmpeg_arguments(frame, options));
      } catch (const Error& error) {
        if (error.code() != ErrorCode::unsupported) throw;
        fail(ErrorCode::unsupported, kFormat, ": ", error.message(),
             hint("install ffmpeg, or name the file .webp for an animation that needs no other program"));
      }
    }
    child->write(std::as_bytes(std::span(frame.pixels)), monitor);
    frames.report_done();
  }
  return child->finish(kLimit, monitor);
}

std::vector<std::byte> encode_animated_webp(const FrameSource& source, const VideoOptions& options, const Monitor* monitor) {
  constexpr const char* kFormat = "WebP";
  check_options(options, kFormat);
  Frames frames(source, options, monitor, kFormat);
  const auto time_of = [&](int frame) { return static_cast<int>(std::lround(1000.0 * frame / options.frames_per_second)); };
  WebPConfig config;
  WebPAnimEncoderOptions animation;
  require(WebPConfigInit(&config) != 0 && WebPAnimEncoderOptionsInit(&animation) != 0, "encode_animated_webp",
          "another libwebp than at build time");
  config.quality = static_cast<float>(options.quality);
  config.lossless = options.quality == 100 ? 1 : 0;
  config.method = 3;  // a frame of 1024 x 1024 in a fraction of a second
  animation.anim_params.loop_count = 0;
  std::unique_ptr<WebPAnimEncoder, FreeAnimation> encoder;
  const auto check = [&](int done) {
    if (done == 0) fail(ErrorCode::internal, "cannot encode an animated WebP: ", WebPAnimEncoderGetError(encoder.get()));
  };
  while (frames.more()) {
    const int time = time_of(frames.done());
    const Image image = frames.next();
    OwnedFrame frame(image);
    if (!encoder) encoder.reset(WebPAnimEncoderNew(image.width, image.height, &animation));
    if (!encoder) fail(ErrorCode::out_of_memory, "not enough memory for an animated WebP");
    check(WebPAnimEncoderAdd(encoder.get(), &frame, time, &config));
    frames.report_done();
  }
  check(WebPAnimEncoderAdd(encoder.get(), nullptr, time_of(options.frames), nullptr));
  OwnedData data;
  check(WebPAnimEncoderAssemble(encoder.get(), &data));
  if (options.comment.empty()) return data.copy();

  const std::unique_ptr<WebPMux, FreeMux> mux(WebPMuxCreate(&data, /*copy_data=*/0));
  const std::string xmp = xmp_of(options.comment);
  const WebPData chunk = {reinterpret_cast<const std::uint8_t*>(xmp.data()), xmp.size()};
  OwnedData described;
  require(mux && WebPMuxSetChunk(mux.get(), "XMP ", &chunk, /*copy_data=*/0) == WEBP_MUX_OK &&
              WebPMuxAssemble(mux.get(), &described) == WEBP_MUX_OK,
          "encode_animated_webp", "the comment could not be added");
  return described.copy();
}

}  // namespace espalier
