// Worst inputs of the readers of images.
#include <cstdint>
#include <iterator>

#include "worst_shapes.h"

namespace espalier::test {
namespace {

// Images that are as large as can be promised, or cost as much as can be asked for, in so many bytes.
void put(std::string& out, std::uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) out += static_cast<char>(value >> (8U * i) & 0xFFU);
}
std::string big_number(std::uint64_t value, unsigned size) {
  std::string out;
  for (unsigned i = size; i-- > 0;) out += static_cast<char>(value >> (8U * i) & 0xFFU);
  return out;
}
std::string box(const std::string& type, const std::string& content) {
  return big_number(content.size() + 8, 4) + type + content;
}
// A directory of one strip that unpacks to an image of 10,000 x 10,000, its bytes a run of `compression`.
std::string tiff_of(std::uint32_t compression, const std::string& data) {
  std::string out("II*\0\x08\0\0\0", 8);
  const std::uint32_t fields[][2] = {{256, 10000},
                                     {257, 10000},
                                     {258, 8},
                                     {259, compression},
                                     {262, 1},
                                     {273, 134},
                                     {277, 1},
                                     {278, 10000},
                                     {279, static_cast<std::uint32_t>(data.size())},
                                     {284, 1}};
  put(out, std::size(fields), 2);
  for (const auto& [tag, value] : fields) {
    put(out, tag, 2);
    put(out, 4, 2);
    put(out, 1, 4);
    put(out, value, 4);
  }
  put(out, 0, 4);
  return out + data;
}
std::string tiff_runs(std::size_t n) { return tiff_of(32773, repeated(std::string_view("\x81\x05", 2), n)); }
std::string tiff_codes(std::size_t n) { return tiff_of(5, repeated(std::string_view("\x80\x00", 2), n)); }
std::string tiff_fields(std::size_t n) {
  std::string out("II*\0\x08\0\0\0\xFF\xFF", 10);
  return out + repeated(std::string_view("\x00\x01\x04\0\xFF\xFF\xFF\xFF\x0A\0\0\0", 12), n);
}
std::string gif_clears(std::size_t n) {
  std::string out("GIF89a\x10\x27\x10\x27\xF7\0\0", 13);
  out += std::string(768, 'c') + std::string(",\0\0\0\0\x10\x27\x10\x27\0\x08", 11);
  return out + repeated(std::string(1, '\xFF') + std::string(255, '\0'), n);
}
std::string gif_extensions(std::size_t n) {
  return std::string("GIF89a\x10\0\x10\0\0\0\0", 13) + repeated(std::string_view("!\xFE\0", 3), n);
}
std::string bmp_runs(std::size_t n) {
  std::string out("BM\0\0\0\0\0\0\0\0\x3A\0\0\0\x28\0\0\0\x10\x27\0\0\x10\x27\0\0\x01\0\x08\0\x01\0\0\0", 34);
  out += std::string(24, '\0');
  return out + repeated(std::string_view("\x01\0", 2), n);
}
std::string heif(const std::string& meta) {
  return box("ftyp", std::string("heic\0\0\0\0", 8)) + box("meta", std::string(4, '\0') + meta);
}
std::string heif_items(std::size_t n) {
  std::string infos;
  for (std::size_t i = 0; infos.size() < n; ++i)
    infos += box("infe", big_number(0x03000000, 4) + big_number(i, 4) + std::string("\0\0hvc1\0", 7));
  return heif(box("iinf", big_number(0x01000000, 4) + big_number(1, 4) + infos));
}
std::string heif_places(std::size_t n) {
  return heif(box("iloc", big_number(0, 4) + big_number(0, 2) + big_number(1, 2) + big_number(1, 2) + big_number(0, 2) +
                              big_number(65535, 2) + std::string(n, '\0')));
}
std::string heif_boxes(std::size_t n) { return heif(repeated(box("free", ""), n)); }
std::string heif_uses(std::size_t n) {
  std::string uses = big_number(0, 4) + big_number(n / 258, 4);
  for (std::size_t i = 0; i < n / 258; ++i) uses += big_number(1, 2) + std::string(1, '\xFF') + std::string(255, '\1');
  return heif(box("iinf", big_number(0, 4) + big_number(1, 2) +
                              box("infe", big_number(0x02000000, 4) + big_number(1, 2) + std::string("\0\0hvc1\0", 7))) +
              box("iprp", box("ipco", box("free", "")) + box("ipma", uses)));
}

}  // namespace

std::vector<WorstShape> image_shapes() {
  return {{"tiff", "runs", tiff_runs},           {"tiff", "codes that clear", tiff_codes},
          {"tiff", "fields", tiff_fields},       {"gif", "codes that say nothing", gif_clears},
          {"gif", "extensions", gif_extensions}, {"bmp", "runs of one pixel", bmp_runs},
          {"heic", "items", heif_items},         {"heic", "places", heif_places},
          {"heic", "boxes", heif_boxes},         {"heic", "uses of a property", heif_uses}};
}

}  // namespace espalier::test
