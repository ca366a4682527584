// The compressed pieces of a TIFF, row by row, so that a row is all that is in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "image/byte_reader.h"

namespace espalier::codec {

enum class TiffCompression { none, pack_bits, lzw, deflate };

class TiffData {
 public:
  TiffData() = default;
  TiffData(const TiffData&) = delete;
  TiffData& operator=(const TiffData&) = delete;
  virtual ~TiffData() = default;
  // The next bytes, as many as `out` has. Throws format when there are fewer or they make no sense.
  virtual void read(std::span<std::uint8_t> out) = 0;
};

// `packed` and `file`, which is for messages, outlive the result.
[[nodiscard]] std::unique_ptr<TiffData> open_tiff_data(TiffCompression compression, Bytes packed, const ByteReader& file);

}  // namespace espalier::codec
