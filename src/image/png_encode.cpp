// PNG (ISO/IEC 15948) with the work shared among the cores: rows are filtered independently, and strips of rows are compressed
// side by side, each with the end of the strip before it as its dictionary, so that little is lost by the cuts.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "image/codec.h"
#include "image/codec_parts.h"
#include "parallel/parallel_for.h"

namespace espalier {

namespace {

using Row = std::span<const std::uint8_t>;

constexpr int kFilters = 5;
constexpr int kLevel = 6;
constexpr std::size_t kDictionary = 32768;                    // what deflate looks back at most
constexpr std::size_t kStripBytes = std::size_t{128} << 10U;  // the same on every machine, and so are the bytes

int paeth(int left, int up, int corner) {
  const int estimate = left + up - corner;
  const int to_left = std::abs(estimate - left);
  const int to_up = std::abs(estimate - up);
  const int to_corner = std::abs(estimate - corner);
  if (to_left <= to_up && to_left <= to_corner) return left;
  return to_up <= to_corner ? up : corner;
}

// Filter types 0 to 4 of section 9.2. `above` is a row of zeros for the first row.
void filter(int type, Row row, Row above, std::size_t pixel, std::uint8_t* out) {
  const auto each = [&](const auto& predict) {
    for (std::size_t i = 0; i < pixel; ++i) out[i] = static_cast<std::uint8_t>(row[i] - predict(0, above[i], 0));
    for (std::size_t i = pixel; i < row.size(); ++i) {
      out[i] = static_cast<std::uint8_t>(row[i] - predict(row[i - pixel], above[i], above[i - pixel]));
    }
  };
  switch (type) {
    case 0: return each([](int, int, int) { return 0; });
    case 1: return each([](int left, int, int) { return left; });
    case 2: return each([](int, int up, int) { return up; });
    case 3: return each([](int left, int up, int) { return (left + up) / 2; });
    default: return each(paeth);
  }
}

// The filtered row with its type before it: of the five, the one with the least sum of magnitudes (section 12.8).
void filter_best(Row row, Row above, std::size_t pixel, std::uint8_t* out) {
  std::vector<std::uint8_t> tried(row.size());
  std::int64_t least = -1;
  for (int type = 0; type < kFilters; ++type) {
    filter(type, row, above, pixel, tried.data());
    std::int64_t sum = 0;
    for (const std::uint8_t value : tried) sum += std::abs(static_cast<std::int8_t>(value));
    if (least >= 0 && sum >= least) continue;
    least = sum;
    out[0] = static_cast<std::uint8_t>(type);
    std::copy(tried.begin(), tried.end(), out + 1);
  }
}

std::vector<std::uint8_t> filtered(const Picture& picture) {
  const auto channels = static_cast<std::size_t>(picture.channels);
  const std::size_t width = static_cast<std::size_t>(picture.width) * channels;
  const std::vector<std::uint8_t> nothing(width, 0);
  std::vector<std::uint8_t> out((width + 1) * static_cast<std::size_t>(picture.height));
  const auto row = [&](std::int64_t y) { return Row(picture.pixels.data() + static_cast<std::size_t>(y) * width, width); };
  parallel_for(picture.height, 16, [&](std::int64_t y) {
    filter_best(row(y), y > 0 ? row(y - 1) : Row(nothing), channels, out.data() + static_cast<std::size_t>(y) * (width + 1));
  });
  return out;
}

// A piece of a deflate stream, which ends on a whole byte, or the end of the stream.
std::vector<std::uint8_t> deflated_strip(std::span<const std::uint8_t> all, std::size_t begin, std::size_t end) {
  z_stream stream{};
  constexpr int kRawWindow = -15, kMemoryLevel = 8;
  if (deflateInit2(&stream, kLevel, Z_DEFLATED, kRawWindow, kMemoryLevel, Z_FILTERED) != Z_OK) {
    fail(ErrorCode::out_of_memory, "not enough memory to encode a PNG");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> keeper(&stream, deflateEnd);
  const std::size_t before = std::min(begin, kDictionary);
  const auto* dictionary = all.data() + (begin - before);
  require(before == 0 || deflateSetDictionary(&stream, dictionary, static_cast<uInt>(before)) == Z_OK, "encode_png",
          "zlib refused a dictionary");
  constexpr std::size_t kMarker = 16;  // the empty block behind a strip
  std::vector<std::uint8_t> out(deflateBound(&stream, static_cast<uLong>(end - begin)) + kMarker);
  stream.next_in = const_cast<Bytef*>(all.data() + begin);  // zlib only reads it
  stream.avail_in = static_cast<uInt>(end - begin);
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const bool last = end == all.size();
  const int state = deflate(&stream, last ? Z_FINISH : Z_SYNC_FLUSH);
  require(state == (last ? Z_STREAM_END : Z_OK) && stream.avail_in == 0 && stream.avail_out > 0, "encode_png",
          "zlib ended with ", state);
  out.resize(out.size() - stream.avail_out);
  return out;
}

void put_number(std::vector<std::byte>& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(value >> static_cast<unsigned>(shift)));
}

void put_chunk(std::vector<std::byte>& out, const char (&type)[5], std::span<const std::uint8_t> content) {
  put_number(out, static_cast<std::uint32_t>(content.size()));
  const std::size_t begin = out.size();
  const auto type_bytes = std::as_bytes(std::span(type, 4));
  out.insert(out.end(), type_bytes.begin(), type_bytes.end());
  const auto bytes = std::as_bytes(content);
  out.insert(out.end(), bytes.begin(), bytes.end());
  const auto* checked = reinterpret_cast<const Bytef*>(out.data() + begin);
  put_number(out, static_cast<std::uint32_t>(crc32(0, checked, static_cast<uInt>(out.size() - begin))));
}

std::array<std::uint8_t, 13> header_of(const Picture& picture) {
  std::array<std::uint8_t, 13> header{};
  for (unsigned k = 0; k < 4; ++k) {
    header[k] = static_cast<std::uint8_t>(static_cast<unsigned>(picture.width) >> (24 - 8 * k));
    header[4 + k] = static_cast<std::uint8_t>(static_cast<unsigned>(picture.height) >> (24 - 8 * k));
  }
  constexpr std::uint8_t kTrueColour = 2, kAlpha = 4;
  header[8] = 8;  // bits of a sample
  header[9] = picture.channels == 4 ? kTrueColour | kAlpha : kTrueColour;
  return header;
}

}  // namespace

std::vector<std::byte> encode_png(const Picture& picture) {
  codec::check_encodable(picture, "encode_png");
  const std::vector<std::uint8_t> rows = filtered(picture);
  const std::size_t count = (rows.size() + kStripBytes - 1) / kStripBytes;
  std::vector<std::vector<std::uint8_t>> strips(count);
  std::vector<uLong> sums(count);
  const auto begin_of = [&](std::size_t i) { return std::min(i * kStripBytes, rows.size()); };
  parallel_for(static_cast<std::int64_t>(count), 1, [&](std::int64_t index) {
    const auto i = static_cast<std::size_t>(index);
    const std::size_t begin = begin_of(i);
    const std::size_t end = begin_of(i + 1);
    strips[i] = deflated_strip(rows, begin, end);
    sums[i] = adler32(1, rows.data() + begin, static_cast<uInt>(end - begin));
  });
  constexpr std::array<std::uint8_t, 8> kSignature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  std::vector<std::byte> out;
  out.reserve(kSignature.size());
  for (const std::uint8_t byte : kSignature) out.push_back(static_cast<std::byte>(byte));
  put_chunk(out, "IHDR", header_of(picture));
  // The wrapping of zlib (RFC 1950): two bytes before, the sum of what was compressed behind.
  constexpr std::array<std::uint8_t, 2> kWrapping{0x78, 0x9C};
  put_chunk(out, "IDAT", kWrapping);
  uLong sum = 1;
  for (std::size_t i = 0; i < count; ++i) {
    sum = adler32_combine(sum, sums[i], static_cast<z_off_t>(begin_of(i + 1) - begin_of(i)));
    put_chunk(out, "IDAT", strips[i]);
  }
  std::array<std::uint8_t, 4> check{};
  for (unsigned k = 0; k < 4; ++k) check[k] = static_cast<std::uint8_t>(sum >> (24 - 8 * k));
  put_chunk(out, "IDAT", check);
  put_chunk(out, "IEND", {});
  return out;
}

}  // namespace espalier
