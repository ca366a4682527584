// jpeglib.h needs FILE and size_t, and jerror.h needs jpeglib.h.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <vector>

#include "base/error.h"
#include "image/codec.h"
#include "image/codec_parts.h"
#include "image/colour_profile.h"

namespace espalier::codec {

namespace {

// libjpeg reports errors by a callback that must not return. It runs inside C frames, so it jumps back to the call below
// instead of throwing; nothing between has a destructor.
struct ErrorState {
  jpeg_error_mgr manager;  // first, so that libjpeg's pointer is also ours
  std::jmp_buf back;
  std::array<char, JMSG_LENGTH_MAX> message;
  const Monitor* monitor = nullptr;
  unsigned calls = 0;  // of the function below
  bool cancelled = false;
  std::exception_ptr thrown;  // by the monitor
};

void leave(j_common_ptr info) {
  auto* state = reinterpret_cast<ErrorState*>(info->err);
  state->manager.format_message(info, state->message.data());
  std::longjmp(state->back, 1);  // NOLINT(cert-err52-cpp): the way out that libjpeg has
}

// Warnings of libjpeg are about damage that it papers over with gray. Extra bytes between segments and odd version numbers
// are harmless; everything else means that pixels are missing.
void judge_warning(j_common_ptr info, int level) {
  if (level >= 0) return;  // progress chatter
  const int code = info->err->msg_code;
  if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM || code == JWRN_BOGUS_PROGRESSION)
    return;
  leave(info);
}

// A progressive file can make the decoder sweep over the whole image once per scan, and a scan may be a few bytes
// long. Real files have about ten, and large ones may have no more. Such sweeps are also where most of the time goes, so that
// the monitor is asked here.
void look_around(j_common_ptr info) {
  constexpr int kMaxScans = 100;
  constexpr std::uint64_t kMaxSweptPixels = 1'500'000'000;  // 15 scans of the largest image
  auto* state = reinterpret_cast<ErrorState*>(info->err);
  if (state->monitor != nullptr && state->calls++ % kRowsBetweenLooks == 0) {
    try {
      state->cancelled = state->monitor->cancelled();
    } catch (...) {  // nothing may be thrown through libjpeg
      state->thrown = std::current_exception();
    }
    if (state->cancelled || state->thrown) std::longjmp(state->back, 1);  // NOLINT(cert-err52-cpp): see leave()
  }
  const auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  const auto scans = static_cast<std::uint64_t>(std::max(decoder->input_scan_number, 0));
  const std::uint64_t swept = scans * decoder->image_width * decoder->image_height;
  if (scans <= kMaxScans && (scans <= 1 || swept <= kMaxSweptPixels)) return;
  std::snprintf(state->message.data(), state->message.size(), "%d scans are too many for its size", decoder->input_scan_number);
  std::longjmp(state->back, 1);  // NOLINT(cert-err52-cpp): the way out that libjpeg has
}

// Owns the decoder; lives outside of the code that may be jumped over.
struct Decoder {
  jpeg_decompress_struct info{};
  ErrorState errors{};
  jpeg_progress_mgr progress{};
  explicit Decoder(const Monitor* monitor) {
    info.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = leave;
    errors.manager.emit_message = judge_warning;
    errors.monitor = monitor;
    progress.progress_monitor = look_around;
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&info); }
};

// False on an error, whose message is then in decoder.errors.
bool read_header(Decoder& decoder, Bytes bytes) {
  if (setjmp(decoder.errors.back) != 0) return false;  // NOLINT(cert-err52-cpp): see leave()
  jpeg_create_decompress(&decoder.info);
  decoder.info.progress = &decoder.progress;
  jpeg_mem_src(&decoder.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  for (const int marker : {JPEG_APP0 + 1, JPEG_APP0 + 2}) jpeg_save_markers(&decoder.info, marker, 0xFFFF);
  jpeg_read_header(&decoder.info, TRUE);
  return true;
}

// `to` has room for the rows, with 3 bytes for a pixel of RGB and 4 of CMYK.
bool read_pixels(Decoder& decoder, J_COLOR_SPACE space, std::uint8_t* to) {
  if (setjmp(decoder.errors.back) != 0) return false;  // NOLINT(cert-err52-cpp): see leave()
  decoder.info.out_color_space = space;
  jpeg_start_decompress(&decoder.info);
  while (decoder.info.output_scanline < decoder.info.output_height) {
    JSAMPROW row = to + std::size_t{decoder.info.output_scanline} * decoder.info.output_width *
                            static_cast<std::size_t>(decoder.info.output_components);
    jpeg_read_scanlines(&decoder.info, &row, 1);
  }
  jpeg_finish_decompress(&decoder.info);
  return true;
}

int orientation_of(const jpeg_decompress_struct& info) {
  constexpr std::array<unsigned char, 6> kExif = {'E', 'x', 'i', 'f', 0, 0};
  for (auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    if (marker->data_length < kExif.size() || std::memcmp(marker->data, kExif.data(), kExif.size()) != 0) continue;
    return exif_orientation(std::as_bytes(std::span(marker->data, marker->data_length)).subspan(kExif.size()));
  }
  return 1;
}

// The colour profile, which lies in numbered pieces of at most 64 KiB in markers of its own; nothing when one is missing.
std::vector<std::byte> profile_of(const jpeg_decompress_struct& info) {
  constexpr std::size_t kHead = 14;
  constexpr std::array<unsigned char, 12> kName = {'I', 'C', 'C', '_', 'P', 'R', 'O', 'F', 'I', 'L', 'E', 0};
  std::array<Bytes, 256> pieces{};
  std::size_t count = 0;
  for (auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const Bytes content = std::as_bytes(std::span(marker->data, marker->data_length));
    if (marker->marker != JPEG_APP0 + 2 || content.size() < kHead ||
        std::memcmp(content.data(), kName.data(), kName.size()) != 0)
      continue;
    count = std::to_integer<std::size_t>(content[13]);
    pieces[std::to_integer<std::size_t>(content[12])] = content.subspan(kHead);
  }
  std::vector<std::byte> profile;
  for (std::size_t i = 1; i <= count; ++i) {
    if (pieces[i].empty()) return {};
    profile.insert(profile.end(), pieces[i].begin(), pieces[i].end());
  }
  return profile;
}

void check_colours(J_COLOR_SPACE space, const std::string& name) {
  if (space == JCS_GRAYSCALE || space == JCS_YCbCr || space == JCS_RGB || space == JCS_CMYK || space == JCS_YCCK) return;
  fail(ErrorCode::unsupported, name, ": a JPEG with an unknown colour space is not supported", hint("convert it to RGB"));
}

}  // namespace

Image decode_jpeg(const Source& source) {
  const std::string& name = source.name;
  Decoder decoder(source.monitor);
  const auto failed = [&] {
    if (decoder.errors.thrown) std::rethrow_exception(decoder.errors.thrown);
    if (decoder.errors.cancelled) fail(ErrorCode::cancelled, "cancelled on request");
    if (decoder.errors.manager.msg_code == JERR_OUT_OF_MEMORY)
      fail(ErrorCode::out_of_memory, name, ": not enough memory to decode this JPEG");
    fail_damaged(name, "JPEG", decoder.errors.message.data());
  };
  if (!read_header(decoder, source.bytes)) failed();
  check_size(decoder.info.image_width, decoder.info.image_height, name);
  check_colours(decoder.info.jpeg_color_space, name);
  const int width = static_cast<int>(decoder.info.image_width), height = static_cast<int>(decoder.info.image_height);
  // Now: libjpeg drops the markers when it has finished.
  const int orientation = orientation_of(decoder.info);
  const std::vector<std::byte> profile = profile_of(decoder.info);
  const bool inks = decoder.info.jpeg_color_space == JCS_CMYK || decoder.info.jpeg_color_space == JCS_YCCK;
  Image image;
  if (inks) {
    // Programs that write CMYK write it as Adobe does, with 255 for no ink, also where they do not say so.
    std::vector<std::uint8_t> samples(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 4);
    if (!read_pixels(decoder, JCS_CMYK, samples.data())) failed();
    image = rgb_of_cmyk(width, height, std::move(samples), /*inverted=*/true, profile, source);
  } else {
    image = Image(width, height, 3);
    if (!read_pixels(decoder, JCS_RGB, image.pixels.data())) failed();
    convert_to_srgb(image, profile, source);
  }
  return apply_orientation(std::move(image), orientation);
}

}  // namespace espalier::codec

namespace espalier {

namespace {

// Owns the encoder and its output; lives outside of the code that may be jumped over.
struct Encoder {
  jpeg_compress_struct info{};
  codec::ErrorState errors{};
  unsigned char* data = nullptr;
  unsigned long size = 0;
  Encoder() {
    info.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = codec::leave;
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  ~Encoder() {
    jpeg_destroy_compress(&info);
    std::free(data);
  }
};

// False on an error, whose message is then in encoder.errors.
bool write_pixels(Encoder& encoder, const Image& image, int quality) {
  constexpr int kFullChroma = 90;
  if (setjmp(encoder.errors.back) != 0) return false;  // NOLINT(cert-err52-cpp): see leave()
  jpeg_create_compress(&encoder.info);
  jpeg_mem_dest(&encoder.info, &encoder.data, &encoder.size);
  encoder.info.image_width = static_cast<JDIMENSION>(image.width);
  encoder.info.image_height = static_cast<JDIMENSION>(image.height);
  encoder.info.input_components = 3;
  encoder.info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&encoder.info);
  jpeg_set_quality(&encoder.info, quality, TRUE);
  encoder.info.optimize_coding = TRUE;
  if (quality >= kFullChroma) encoder.info.comp_info[0].h_samp_factor = encoder.info.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&encoder.info, TRUE);
  while (encoder.info.next_scanline < encoder.info.image_height) {
    // libjpeg only reads the row, but takes it without const.
    auto* row = const_cast<JSAMPROW>(image.at(0, static_cast<int>(encoder.info.next_scanline)));
    jpeg_write_scanlines(&encoder.info, &row, 1);
  }
  jpeg_finish_compress(&encoder.info);
  return true;
}

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  codec::check_encodable(image, "encode_jpeg");
  if (quality < 1 || quality > 100) {
    fail(ErrorCode::invalid_argument, "the quality of a JPEG lies between 1 and 100, not ", quality);
  }
  if (image.channels != 3) {
    fail(ErrorCode::invalid_argument, "a JPEG cannot hold transparency", hint("remove the alpha channel or write a PNG"));
  }
  if (image.width > JPEG_MAX_DIMENSION || image.height > JPEG_MAX_DIMENSION) {
    fail(ErrorCode::invalid_argument, image.width, " x ", image.height, " pixels are too many for a JPEG (at most ",
         JPEG_MAX_DIMENSION, " on a side)", hint("scale the image down"));
  }
  Encoder encoder;
  if (!write_pixels(encoder, image, quality)) {
    fail(encoder.errors.manager.msg_code == JERR_OUT_OF_MEMORY ? ErrorCode::out_of_memory : ErrorCode::internal,
         "cannot encode a JPEG: ", encoder.errors.message.data());
  }
  const auto* begin = reinterpret_cast<const std::byte*>(encoder.data);
  return {begin, begin + encoder.size};
}

}  // namespace espalier
