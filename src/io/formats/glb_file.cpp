#include "io/formats/glb_file.h"

#include "io/formats/byte_writer.h"
#include "io/formats/checks.h"

namespace espalier {

std::vector<std::byte> glb_of(std::string json, const std::vector<std::byte>& binary) {
  json.append((4 - json.size() % 4) % 4, ' ');
  constexpr std::size_t kHeader = 12, kChunkHeader = 8;
  const std::size_t total = kHeader + kChunkHeader + json.size() + kChunkHeader + binary.size();
  check_glb_size(total);
  ByteWriter out(total);
  out.text("glTF");
  out.put(std::uint32_t{2});
  out.put(static_cast<std::uint32_t>(total));
  out.put(static_cast<std::uint32_t>(json.size()));
  out.text("JSON");
  out.text(json);
  out.put(static_cast<std::uint32_t>(binary.size()));
  out.text(std::string_view("BIN\0", 4));
  out.raw(binary.data(), binary.size());
  return out.take();
}

}  // namespace espalier
