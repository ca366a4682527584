#include <libde265/de265.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "image/byte_reader.h"
#include "image/video_frames.h"

namespace espalier::codec {

namespace {

constexpr const char* kKind = "HEIC";

struct DecoderDeleter {
  void operator()(de265_decoder_context* decoder) const { de265_free_decoder(decoder); }
};

// The codec's own allocation, but for images that are larger than the container promised.
struct Limits {
  std::int64_t width = 0, height = 0;
};
int get_buffer(de265_decoder_context* decoder, de265_image_spec* spec, de265_image* image, void* limits) {
  const auto* most = static_cast<const Limits*>(limits);
  if (spec->width > most->width || spec->height > most->height) return 0;
  return de265_get_default_image_allocation_functions()->get_buffer(decoder, spec, image, nullptr);
}
void release_buffer(de265_decoder_context* decoder, de265_image* image, void* /*limits*/) {
  de265_get_default_image_allocation_functions()->release_buffer(decoder, image, nullptr);
}

class Decoder {
 public:
  explicit Decoder(const CodedImage& coded) : coded_(coded), decoder_(de265_new_decoder()) {
    if (!decoder_) fail(ErrorCode::out_of_memory, coded.name, ": not enough memory to decode this HEIC");
    constexpr int kBlock = 64;  // coded images are whole blocks of at most so many pixels
    limits_ = {coded.width + kBlock, coded.height + kBlock};
    de265_image_allocation allocation{get_buffer, release_buffer};
    de265_set_image_allocation_functions(decoder_.get(), &allocation, &limits_);
  }
  void push(Bytes unit) {
    check(de265_push_NAL(decoder_.get(), unit.data(), static_cast<int>(unit.size()), 0, nullptr));
    work();
  }
  const de265_image* finish() {
    check(de265_flush_data(decoder_.get()));
    work();
    for (de265_error warning = de265_get_warning(decoder_.get()); warning != DE265_OK;
         warning = de265_get_warning(decoder_.get()))
      damaged(de265_get_error_text(warning));
    const de265_image* image = de265_get_next_picture(decoder_.get());
    if (image == nullptr) damaged("there is no image in its data");
    return image;
  }
  [[noreturn]] void damaged(const std::string& reason) const { fail_damaged(coded_.name, kKind, reason); }

 private:
  void work() {
    // It says that there is more to do as long as an image waits to be taken.
    for (int more = 1; more != 0 && de265_peek_next_picture(decoder_.get()) == nullptr;) {
      const de265_error error = de265_decode(decoder_.get(), &more);
      if (error == DE265_ERROR_WAITING_FOR_INPUT_DATA || error == DE265_ERROR_IMAGE_BUFFER_FULL) return;
      check(error);
    }
  }
  void check(de265_error error) const {
    if (de265_isOK(error) == 0) damaged(de265_get_error_text(error));
  }
  const CodedImage& coded_;
  Limits limits_;
  std::unique_ptr<de265_decoder_context, DecoderDeleter> decoder_;
};

// Parameter sets: arrays of units, each with a length of two bytes.
unsigned push_configuration(Decoder& decoder, const CodedImage& coded) {
  const ByteReader file(coded.configuration, coded.name, kKind, /*big_endian=*/true);
  const unsigned length_size = (file.u8(21) & 3U) + 1;
  std::uint64_t at = 23;
  for (std::uint32_t array = file.u8(22); array > 0; --array) {
    const std::uint32_t units = file.u16(at + 1);
    at += 3;
    for (std::uint32_t i = 0; i < units; ++i) {
      const std::uint32_t length = file.u16(at);
      if (length > 0) decoder.push(file.part(at + 2, length));
      at += 2 + length;
    }
  }
  return length_size;
}

YuvImage view_of(const de265_image* image) {
  YuvImage p;
  const std::size_t planes = de265_get_chroma_format(image) == de265_chroma_mono ? 1 : 3;
  p.depth = de265_get_bits_per_pixel(image, 0);
  for (std::size_t i = 0; i < planes; ++i) {
    const int channel = static_cast<int>(i);
    int stride = 0;
    const std::uint8_t* data = de265_get_image_plane(image, channel, &stride);
    p.planes[i] = {de265_get_image_width(image, channel), de265_get_image_height(image, channel), data, stride, p.depth > 8};
  }
  p.full_range = de265_get_image_full_range_flag(image) != 0;
  p.primaries = de265_get_image_colour_primaries(image);
  p.transfer = de265_get_image_transfer_characteristics(image);
  p.matrix = de265_get_image_matrix_coefficients(image);
  return p;
}

}  // namespace

void decode_hevc(const CodedImage& coded, const std::function<void(const YuvImage&)>& use) {
  Decoder decoder(coded);
  const unsigned length_size = push_configuration(decoder, coded);
  const ByteReader data(coded.data, coded.name, kKind, /*big_endian=*/true);
  bool begun = false;
  for (std::uint64_t at = 0; at < data.size();) {
    const std::uint64_t length = data.number(at, length_size);
    at += length_size;
    const Bytes unit = data.part(at, length);
    at += length;
    if (length < 3) continue;
    constexpr std::uint32_t kFirstParameters = 32;
    const std::uint32_t type = std::to_integer<std::uint32_t>(unit[0]) >> 1U & 63U;
    if (type < kFirstParameters && (unit[2] & std::byte{0x80}) != std::byte{0}) {  // a new image
      if (begun) break;
      begun = true;
    }
    decoder.push(unit);
  }
  const YuvImage image = view_of(decoder.finish());
  const bool depths = image.depth <= 16 && (!image.colour() || image.planes[1].data != nullptr);
  if (image.planes[0].data == nullptr || !depths || image.width() < coded.width || image.height() < coded.height)
    decoder.damaged(str("an image of ", image.width(), " x ", image.height(), " pixels where ", coded.width, " x ",
                        coded.height, " are promised"));
  use(image);
}

}  // namespace espalier::codec
