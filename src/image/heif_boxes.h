// The container of HEIC and AVIF (ISO/IEC 14496-12 and 23008-12): which items there are, their properties and their bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "image/byte_reader.h"

namespace espalier::codec {

struct HeifProperty {
  std::string type;  // four letters
  Bytes content;
};

struct HeifItem {
  std::string type;  // "hvc1", "av01", "grid", "Exif", ...
  bool hidden = false;
  std::vector<HeifProperty> properties;  // in the order in which they apply
  bool needs_unknown = false;            // an essential property of a kind that this reader does not know
  // The first property of that type, or null.
  [[nodiscard]] const HeifProperty* find(const char* kind) const;
};

class HeifFile {
 public:
  // Throws format for damaged containers, unsupported for those that this reader does not cover. The bytes stay the caller's.
  HeifFile(Bytes bytes, const std::string& name);

  [[nodiscard]] const ByteReader& file() const { return file_; }
  [[nodiscard]] std::uint32_t primary() const { return primary_; }
  [[nodiscard]] std::size_t images() const;  // items that stand for themselves and can be shown
  // Throws format for an item that is not there.
  [[nodiscard]] const HeifItem& item(std::uint32_t id) const;
  // The item's bytes, one part after the other; at most as many as the file has.
  [[nodiscard]] std::vector<std::byte> data(std::uint32_t id) const;
  // Items that `from` refers to ("dimg": its parts), in their order.
  [[nodiscard]] std::vector<std::uint32_t> references(const char* type, std::uint32_t from) const;
  // The item that refers to `to` so and has that auxiliary type; 0 when there is none.
  [[nodiscard]] std::uint32_t alpha_of(std::uint32_t to) const;
  [[nodiscard]] bool refers(const char* type, std::uint32_t from, std::uint32_t to) const;

 private:
  struct Box {
    std::string type;
    std::uint64_t begin = 0, end = 0;  // of the content
  };
  struct Extent {
    std::uint64_t offset = 0, length = 0;
  };
  struct Location {
    std::uint32_t method = 0;  // 0: in the file, 1: in the box idat
    std::vector<Extent> extents;
  };
  struct Reference {
    std::string type;
    std::uint32_t from = 0;
    std::vector<std::uint32_t> to;
  };
  [[nodiscard]] Box box_at(std::uint64_t at, std::uint64_t end) const;
  [[nodiscard]] std::vector<Box> boxes(std::uint64_t begin, std::uint64_t end) const;
  void read_meta(const Box& meta);
  void read_items(const Box& box);
  void read_locations(const Box& box);
  void read_properties(const Box& box);
  void associate(const Box& box, const std::vector<HeifProperty>& all);
  void read_references(const Box& box);
  [[nodiscard]] std::uint32_t version(const Box& box) const { return file_.u8(box.begin); }

  ByteReader file_;
  std::uint32_t primary_ = 0;
  std::map<std::uint32_t, HeifItem> items_;
  std::map<std::uint32_t, Location> locations_;
  std::vector<Reference> references_;
  Box idat_;
};

}  // namespace espalier::codec
