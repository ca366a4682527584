// One image out of a stream of HEVC (libde265) or AV1 (dav1d).
#pragma once

#include <functional>
#include <string>

#include "image/codec_parts.h"
#include "image/yuv.h"

namespace espalier::codec {

struct CodedImage {
  Bytes configuration;        // the content of hvcC or av1C
  Bytes data;                 // HEVC: length-prefixed units; AV1: open bitstream units
  int width = 0, height = 0;  // that the container promises; a decoder allocates for nothing much larger
  std::string name;           // for messages
};

// Calls `use` once with the first image, which lives until it returns. Throws format for damaged data, and for an image
// that is smaller than promised.
void decode_hevc(const CodedImage& coded, const std::function<void(const YuvImage&)>& use);
void decode_av1(const CodedImage& coded, const std::function<void(const YuvImage&)>& use);

}  // namespace espalier::codec
