#include "text/vocabulary.h"

#include <zlib.h>

#include <cstdint>

#include "base/error.h"

// Made by scripts/clip-merges; CMake says where it lies.
asm(".pushsection .rodata\n"
    ".balign 16\n"
    ".global espalier_clip_merges\n"
    ".hidden espalier_clip_merges\n"
    "espalier_clip_merges:\n"
    ".incbin \"" ESPALIER_CLIP_MERGES
    "\"\n"
    ".global espalier_clip_merges_end\n"
    ".hidden espalier_clip_merges_end\n"
    "espalier_clip_merges_end:\n"
    ".byte 0\n"
    ".popsection");
extern "C" {
// NOLINTBEGIN(modernize-avoid-c-arrays): what the assembler defines
extern const unsigned char espalier_clip_merges[];
extern const unsigned char espalier_clip_merges_end[];
// NOLINTEND(modernize-avoid-c-arrays)
}

namespace espalier {

std::string embedded_merges() {
  constexpr std::size_t kUnpacked = 524645;
  constexpr int kGzip = 16 + MAX_WBITS;
  std::string text(kUnpacked, '\0');
  z_stream stream{};
  stream.next_in = const_cast<Bytef*>(espalier_clip_merges);
  stream.avail_in = static_cast<uInt>(espalier_clip_merges_end - espalier_clip_merges);
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  require(inflateInit2(&stream, kGzip) == Z_OK, "embedded_merges", "zlib does not start");
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  require(whole, "embedded_merges", "the embedded vocabulary is damaged");
  return text;
}

}  // namespace espalier
