// One picture out of a stream of HEVC (libde265) or AV1 (dav1d).
#pragma once

#include <functional>
#include <string>

#include "image/codec_parts.h"
#include "image/yuv.h"

namespace espalier::codec {

struct CodedPicture {
  Bytes configuration;        // the content of hvcC or av1C
  Bytes data;                 // HEVC: length-prefixed units; AV1: open bitstream units
  int width = 0, height = 0;  // that the container promises; a decoder allocates for nothing much larger
  std::string name;           // for messages
};

// Calls `use` once with the first picture, which lives until it returns. Throws format for damaged data, and for a picture
// that is smaller than promised.
void decode_hevc(const CodedPicture& coded, const std::function<void(const YuvPicture&)>& use);
void decode_av1(const CodedPicture& coded, const std::function<void(const YuvPicture&)>& use);

}  // namespace espalier::codec
