#include "image/tiff_unpack.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"

namespace espalier::codec {

namespace {

class Plain final : public TiffData {
 public:
  Plain(Bytes packed, const ByteReader& file) : packed_(packed), file_(file) {}
  void read(std::span<std::uint8_t> out) override {
    if (out.size() > packed_.size()) file_.damaged("pixels are missing");
    std::memcpy(out.data(), packed_.data(), out.size());
    packed_ = packed_.subspan(out.size());
  }

 private:
  Bytes packed_;
  const ByteReader& file_;
};

// (n >= 0, n + 1 bytes as they are) or (n < 0, one byte 1 - n times); -128 is nothing.
class PackBits final : public TiffData {
 public:
  PackBits(Bytes packed, const ByteReader& file) : packed_(packed), file_(file) {}
  void read(std::span<std::uint8_t> out) override {
    while (!out.empty()) {
      if (left_ == 0) begin();
      const std::size_t n = std::min(left_, out.size());
      if (repeated_) {
        std::fill_n(out.begin(), n, value_);
      } else {
        std::memcpy(out.data(), take(n).data(), n);
      }
      left_ -= n;
      out = out.subspan(n);
    }
  }

 private:
  Bytes take(std::size_t n) {
    if (n > packed_.size() - at_) file_.damaged("pixels are missing");
    at_ += n;
    return packed_.subspan(at_ - n, n);
  }
  void begin() {
    const int n = static_cast<std::int8_t>(take(1)[0]);
    if (n == -128) return;
    repeated_ = n < 0;
    left_ = static_cast<std::size_t>(repeated_ ? 1 - n : n + 1);
    if (repeated_) value_ = std::to_integer<std::uint8_t>(take(1)[0]);
  }
  Bytes packed_;
  const ByteReader& file_;
  std::size_t at_ = 0, left_ = 0;
  bool repeated_ = false;
  std::uint8_t value_ = 0;
};

// Lempel, Ziv and Welch as TIFF has it: 9 to 12 bits from the high end, one code wider earlier than GIF's, 256 clears, 257
// ends.
class Lzw final : public TiffData {
 public:
  Lzw(Bytes packed, const ByteReader& file) : packed_(packed), file_(file) {
    if (packed.size() >= 2 && packed[0] == std::byte{0} && (packed[1] & std::byte{1}) != std::byte{0}) {
      fail(ErrorCode::unsupported, file.name(), ": a TIFF with the LZW of before 1990 is not supported",
           hint("convert it to PNG"));
    }
    for (std::size_t i = 0; i < 256; ++i) last_[i] = static_cast<std::uint8_t>(i);
  }
  void read(std::span<std::uint8_t> out) override {
    while (!out.empty()) {
      if (length_ == 0) next_string();
      const std::size_t n = std::min(length_, out.size());
      for (std::size_t i = 0; i < n; ++i) out[i] = text_[--length_];
      out = out.subspan(n);
    }
  }

 private:
  static constexpr std::uint32_t kCodes = 4096, kClear = 256, kEnd = 257, kNone = kCodes;

  std::uint32_t next_code() {
    while (bits_ < width_) {
      if (at_ == packed_.size()) file_.damaged("pixels are missing");
      buffer_ = buffer_ << 8U | std::to_integer<std::uint32_t>(packed_[at_++]);
      bits_ += 8;
    }
    bits_ -= width_;
    return buffer_ >> bits_ & ((1U << width_) - 1U);
  }
  void next_string() {
    std::uint32_t code = next_code();
    while (code == kClear) {
      next_ = kEnd + 1;
      width_ = 9;
      previous_ = kNone;
      code = next_code();
    }
    if (code == kEnd) file_.damaged("pixels are missing");
    if (code > next_ || (previous_ == kNone && code > kClear)) file_.damaged("a code that was not defined");
    std::uint32_t walk = code;
    if (code == next_) {
      text_[length_++] = first_;
      walk = previous_;
    }
    for (; walk > kEnd; walk = prefix_[walk]) text_[length_++] = last_[walk];
    text_[length_++] = first_ = last_[walk];
    if (previous_ != kNone && next_ < kCodes) {
      prefix_[next_] = static_cast<std::uint16_t>(previous_);
      last_[next_++] = first_;
      if (next_ + 1 >= 1U << width_ && width_ < 12) ++width_;
    }
    previous_ = code;
  }

  Bytes packed_;
  const ByteReader& file_;
  std::size_t at_ = 0, length_ = 0;
  std::uint32_t buffer_ = 0, next_ = kEnd + 1, previous_ = kNone;
  unsigned bits_ = 0, width_ = 9;
  std::uint8_t first_ = 0;
  std::array<std::uint16_t, kCodes> prefix_{};
  std::array<std::uint8_t, kCodes> last_{};
  std::array<std::uint8_t, kCodes + 1> text_{};  // backwards
};

class Deflate final : public TiffData {
 public:
  Deflate(Bytes packed, const ByteReader& file) : file_(file) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));  // zlib only reads
    stream_.avail_in = static_cast<uInt>(packed.size());
    if (inflateInit(&stream_) != Z_OK) fail(ErrorCode::out_of_memory, file.name(), ": not enough memory to decode this TIFF");
  }
  Deflate(const Deflate&) = delete;
  Deflate& operator=(const Deflate&) = delete;
  ~Deflate() override { inflateEnd(&stream_); }
  void read(std::span<std::uint8_t> out) override {
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out > 0) {
      const int state = inflate(&stream_, Z_NO_FLUSH);
      if (state == Z_STREAM_END && stream_.avail_out == 0) return;
      if (state != Z_OK) file_.damaged("pixels are missing or make no sense");
    }
  }

 private:
  const ByteReader& file_;
  z_stream stream_{};
};

}  // namespace

std::unique_ptr<TiffData> open_tiff_data(TiffCompression compression, Bytes packed, const ByteReader& file) {
  switch (compression) {
    case TiffCompression::none: return std::make_unique<Plain>(packed, file);
    case TiffCompression::pack_bits: return std::make_unique<PackBits>(packed, file);
    case TiffCompression::lzw: return std::make_unique<Lzw>(packed, file);
    case TiffCompression::deflate: return std::make_unique<Deflate>(packed, file);
  }
  fail(ErrorCode::internal, "open_tiff_data: an unknown compression");
}

}  // namespace espalier::codec
