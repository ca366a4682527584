#include <dav1d/dav1d.h>

#include <cerrno>
#include <memory>

#include "base/error.h"
#include "image/byte_reader.h"
#include "image/video_frames.h"

namespace espalier::codec {

namespace {

constexpr const char* kKind = "AVIF";

struct ContextDeleter {
  void operator()(Dav1dContext* context) const { dav1d_close(&context); }
};

struct Data : Dav1dData {
  Data() : Dav1dData() {}
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;
  ~Data() { dav1d_data_unref(this); }
};
struct Frame : Dav1dPicture {
  Frame() : Dav1dPicture() {}
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  ~Frame() { dav1d_picture_unref(this); }
};

// Every frame may cost as much as an image and be a few bytes long; an image is one, and a few in layers.
void check_frames(const CodedImage& coded) {
  constexpr int kMost = 8;
  const ByteReader data(coded.data, coded.name, kKind, /*big_endian=*/true);
  int frames = 0;
  for (std::uint64_t at = 0; at < data.size();) {
    constexpr std::uint32_t kFrameHeader = 3, kFrame = 6;
    const std::uint32_t head = data.u8(at++), type = head >> 3U & 15U;
    if ((head & 4U) != 0) ++at;
    std::uint64_t length = data.size() - std::min(at, data.size());
    if ((head & 2U) != 0) {
      length = 0;
      for (unsigned i = 0; i < 8; ++i) {
        const std::uint32_t byte = data.u8(at++);
        length |= std::uint64_t{byte & 127U} << (7U * i);
        if ((byte & 128U) == 0) break;
      }
    }
    (void)data.part(at, length);
    at += length;
    frames += type == kFrameHeader || type == kFrame ? 1 : 0;
  }
  if (frames > kMost) fail_damaged(coded.name, kKind, str(frames, " frames for one image"));
}

YuvImage view_of(const Dav1dPicture& frame) {
  YuvImage p;
  p.depth = frame.p.bpc;
  const bool wide = p.depth > 8;
  const auto plane = [&](int i, int width, int height) {
    return YuvImage::Plane{width, height, static_cast<const std::uint8_t*>(frame.data[i]), frame.stride[i == 0 ? 0 : 1], wide};
  };
  p.planes[0] = plane(0, frame.p.w, frame.p.h);
  if (frame.p.layout != DAV1D_PIXEL_LAYOUT_I400) {
    const bool narrow = frame.p.layout != DAV1D_PIXEL_LAYOUT_I444, low = frame.p.layout == DAV1D_PIXEL_LAYOUT_I420;
    for (int i = 1; i < 3; ++i)
      p.planes[static_cast<std::size_t>(i)] =
          plane(i, narrow ? (frame.p.w + 1) / 2 : frame.p.w, low ? (frame.p.h + 1) / 2 : frame.p.h);
  }
  p.full_range = frame.seq_hdr->color_range != 0;
  p.primaries = frame.seq_hdr->pri;
  p.transfer = frame.seq_hdr->trc;
  p.matrix = frame.seq_hdr->mtrx;
  return p;
}

}  // namespace

void decode_av1(const CodedImage& coded, const std::function<void(const YuvImage&)>& use) {
  check_frames(coded);
  if (coded.data.empty()) fail_damaged(coded.name, kKind, "there is no image in its data");
  Dav1dSettings settings;
  dav1d_default_settings(&settings);
  settings.n_threads = 1;
  settings.max_frame_delay = 1;
  settings.all_layers = 0;
  settings.frame_size_limit = static_cast<unsigned>((coded.width + 64) * (coded.height + 64));
  settings.logger.callback = nullptr;
  Dav1dContext* opened = nullptr;
  if (dav1d_open(&opened, &settings) != 0)
    fail(ErrorCode::out_of_memory, coded.name, ": not enough memory to decode this AVIF");
  const std::unique_ptr<Dav1dContext, ContextDeleter> context(opened);
  const auto failed = [&](int error) {
    if (error == DAV1D_ERR(ENOMEM)) fail(ErrorCode::out_of_memory, coded.name, ": not enough memory to decode this AVIF");
    fail_damaged(coded.name, kKind, "its data make no sense");
  };
  Data data;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(coded.data.data());
  if (const int error = dav1d_data_wrap(
          &data, bytes, coded.data.size(), [](const std::uint8_t*, void*) {}, nullptr);
      error != 0)
    failed(error);
  Frame frame;
  for (;;) {
    if (data.sz > 0) {
      const int sent = dav1d_send_data(context.get(), &data);
      if (sent < 0 && sent != DAV1D_ERR(EAGAIN)) failed(sent);
    }
    const int got = dav1d_get_picture(context.get(), &frame);
    if (got == 0) break;
    if (got != DAV1D_ERR(EAGAIN) || data.sz == 0) failed(got);
  }
  const YuvImage image = view_of(frame);
  if (image.width() < coded.width || image.height() < coded.height) {
    fail_damaged(coded.name, kKind,
                 str("an image of ", image.width(), " x ", image.height(), " pixels where ", coded.width, " x ", coded.height,
                     " are promised"));
  }
  use(image);
}

}  // namespace espalier::codec
