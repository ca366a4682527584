#include "image/heif_boxes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "base/error.h"

namespace espalier::codec {

namespace {

constexpr std::array<std::string_view, 16> kKnownProperties = {"ispe", "pixi", "colr", "hvcC", "av1C", "auxC", "irot", "imir",
                                                               "clap", "pasp", "a1op", "lsel", "a1lx", "clli", "mdcv", "rloc"};

bool known(std::string_view type) {
  return std::find(kKnownProperties.begin(), kKnownProperties.end(), type) != kKnownProperties.end();
}

}  // namespace

const HeifProperty* HeifItem::find(const char* kind) const {
  const auto found = std::find_if(properties.begin(), properties.end(), [&](const HeifProperty& p) { return p.type == kind; });
  return found == properties.end() ? nullptr : &*found;
}

bool is_heif(Bytes bytes) {
  constexpr std::array<std::string_view, 12> kBrands = {"heic", "heix", "heim", "heis", "hevc", "hevx",
                                                        "mif1", "mif2", "msf1", "miaf", "avif", "avis"};
  if (bytes.size() < 16 || std::memcmp(bytes.data() + 4, "ftyp", 4) != 0) return false;
  const auto brand = [&](std::size_t at) { return std::string_view(reinterpret_cast<const char*>(bytes.data()) + at, 4); };
  const auto ours = [&](std::string_view b) { return std::find(kBrands.begin(), kBrands.end(), b) != kBrands.end(); };
  if (ours(brand(8))) return true;
  std::size_t end = 0;
  for (std::size_t i = 0; i < 4; ++i) end = end << 8U | std::to_integer<std::size_t>(bytes[i]);
  for (std::size_t at = 16; at + 4 <= std::min(end, bytes.size()); at += 4) {
    if (ours(brand(at))) return true;
  }
  return false;
}

HeifFile::Box HeifFile::box_at(std::uint64_t at, std::uint64_t end) const {
  std::uint64_t size = file_.u32(at), head = 8;
  std::string type = file_.text(at + 4, 4);
  if (size == 1) {
    size = file_.number(at + 8, 8);
    head = 16;
  } else if (size == 0) {
    size = end - at;
  }
  if (size < head || size > end - at) file_.damaged("a box is larger than what it is in");
  return {std::move(type), at + head, at + size};
}

std::vector<HeifFile::Box> HeifFile::boxes(std::uint64_t begin, std::uint64_t end) const {
  std::vector<Box> found;
  for (std::uint64_t at = begin; at < end; at = found.back().end) found.push_back(box_at(at, end));
  return found;
}

HeifFile::HeifFile(Bytes bytes, const std::string& name) : file_(bytes, name, "HEIF", /*big_endian=*/true) {
  bool movie = false;
  for (std::uint64_t at = 0; at < file_.size();) {
    const Box box = box_at(at, file_.size());
    at = box.end;
    if (box.type == "meta") {
      read_meta(box);
      if (!items_.contains(primary_)) file_.damaged("there is no image in it");
      return;
    }
    movie = movie || box.type == "moov";
  }
  if (movie) {
    fail(ErrorCode::unsupported, name, ": a HEIF that is only a sequence is not supported",
         hint("save one frame of it as an image"));
  }
  file_.damaged("there is no image in it");
}

void HeifFile::read_meta(const Box& meta) {
  const std::vector<Box> parts = boxes(meta.begin + 4, meta.end);
  for (const Box& box : parts) {
    if (box.type == "pitm") primary_ = version(box) == 0 ? file_.u16(box.begin + 4) : file_.u32(box.begin + 4);
    if (box.type == "iinf") read_items(box);
    if (box.type == "iloc") read_locations(box);
    if (box.type == "iref") read_references(box);
    if (box.type == "idat") idat_ = box;
  }
  // Properties go to items, which have to be there.
  for (const Box& box : parts) {
    if (box.type == "iprp") read_properties(box);
  }
}

void HeifFile::read_items(const Box& box) {
  const std::uint64_t count_size = version(box) == 0 ? 2 : 4;
  for (const Box& entry : boxes(box.begin + 4 + count_size, box.end)) {
    const std::uint32_t v = version(entry);
    if (entry.type != "infe" || v < 2) continue;
    const bool wide = v >= 3;
    const std::uint32_t id = wide ? file_.u32(entry.begin + 4) : file_.u16(entry.begin + 4);
    HeifItem& item = items_[id];
    item.type = file_.text(entry.begin + (wide ? 10 : 8), 4);
    item.hidden = (file_.u8(entry.begin + 3) & 1U) != 0;
  }
}

void HeifFile::read_locations(const Box& box) {
  const std::uint32_t v = version(box);
  if (v > 2) file_.damaged("its table of places is of an unknown version");
  const std::uint32_t sizes = file_.u16(box.begin + 4);
  const unsigned offset_size = sizes >> 12U, length_size = sizes >> 8U & 15U, base_size = sizes >> 4U & 15U;
  const unsigned index_size = v == 0 ? 0 : sizes & 15U;
  for (const unsigned size : {offset_size, length_size, base_size, index_size}) {
    if (size != 0 && size != 4 && size != 8) file_.damaged(str("numbers of ", size, " bytes"));
  }
  const unsigned id_size = v < 2 ? 2 : 4;
  std::uint64_t at = box.begin + 6;
  const std::uint64_t count = file_.number(at, id_size);
  at += id_size;
  const auto next = [&](unsigned size) {
    if (size > box.end - std::min(at, box.end)) file_.damaged("its table of places ends early");
    const std::uint64_t value = size == 0 ? 0 : file_.number(at, size);
    at += size;
    return value;
  };
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto id = static_cast<std::uint32_t>(next(id_size));
    Location location;
    if (v > 0) location.method = static_cast<std::uint32_t>(next(2) & 15U);
    (void)next(2);  // which file: this one
    const std::uint64_t base = next(base_size), extents = next(2);
    for (std::uint64_t k = 0; k < extents; ++k) {
      (void)next(index_size);
      const std::uint64_t offset = next(offset_size), length = next(length_size);
      if (offset > ~base) file_.damaged("a place beyond its end");
      location.extents.push_back({base + offset, length});
      if (offset_size + length_size + index_size == 0) break;  // the same again and again
    }
    locations_[id] = std::move(location);
  }
}

void HeifFile::read_properties(const Box& box) {
  const std::vector<Box> parts = boxes(box.begin, box.end);
  std::vector<HeifProperty> all;
  for (const Box& part : parts) {
    if (part.type != "ipco") continue;
    for (const Box& property : boxes(part.begin, part.end))
      all.push_back({property.type, file_.part(property.begin, property.end - property.begin)});
  }
  for (const Box& part : parts) {
    if (part.type == "ipma") associate(part, all);
  }
}

void HeifFile::associate(const Box& box, const std::vector<HeifProperty>& all) {
  constexpr std::size_t kMost = 64;  // properties of an item
  const unsigned id_size = version(box) < 1 ? 2 : 4, index_size = (file_.u8(box.begin + 3) & 1U) != 0 ? 2 : 1;
  const std::uint64_t count = file_.u32(box.begin + 4);
  std::uint64_t at = box.begin + 8;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto id = static_cast<std::uint32_t>(file_.number(at, id_size));
    const std::uint32_t properties = file_.u8(at + id_size);
    at += id_size + 1;
    if (at + std::uint64_t{properties} * index_size > box.end) file_.damaged("its table of properties ends early");
    const auto item = items_.find(id);
    for (std::uint32_t k = 0; k < properties; ++k, at += index_size) {
      const std::uint64_t value = file_.number(at, index_size);
      const std::uint64_t top = index_size == 2 ? 0x8000U : 0x80U, index = value & (top - 1);
      if (item == items_.end() || index == 0) continue;
      if (index > all.size()) file_.damaged(str("there is no property ", index));
      if (item->second.properties.size() == kMost) file_.damaged("an item with too many properties");
      item->second.properties.push_back(all[index - 1]);
      if ((value & top) != 0 && !known(all[index - 1].type)) item->second.needs_unknown = true;
    }
  }
}

void HeifFile::read_references(const Box& box) {
  const unsigned id_size = version(box) == 0 ? 2 : 4;
  for (const Box& entry : boxes(box.begin + 4, box.end)) {
    Reference reference{entry.type, static_cast<std::uint32_t>(file_.number(entry.begin, id_size)), {}};
    const std::uint64_t count = file_.u16(entry.begin + id_size), at = entry.begin + id_size + 2;
    if (at + count * id_size > entry.end) file_.damaged("its table of references ends early");
    for (std::uint64_t i = 0; i < count; ++i)
      reference.to.push_back(static_cast<std::uint32_t>(file_.number(at + i * id_size, id_size)));
    references_.push_back(std::move(reference));
  }
}

std::size_t HeifFile::images() const {
  std::size_t count = 0;
  for (const auto& [id, item] : items_) {
    if (item.hidden || (item.type != "hvc1" && item.type != "av01" && item.type != "grid")) continue;
    const bool part = std::any_of(references_.begin(), references_.end(), [&, id = id](const Reference& r) {
      if (r.type == "dimg") return std::find(r.to.begin(), r.to.end(), id) != r.to.end();
      return r.from == id && (r.type == "thmb" || r.type == "auxl");
    });
    count += part ? 0 : 1;
  }
  return count;
}

const HeifItem& HeifFile::item(std::uint32_t id) const {
  const auto found = items_.find(id);
  if (found == items_.end()) file_.damaged(str("there is no item ", id));
  return found->second;
}

std::vector<std::byte> HeifFile::data(std::uint32_t id) const {
  const auto found = locations_.find(id);
  if (found == locations_.end()) file_.damaged(str("item ", id, " has no place"));
  const Location& location = found->second;
  if (location.method > 1) {
    fail(ErrorCode::unsupported, file_.name(), ": a HEIF whose items are inside of each other is not supported",
         hint("convert it to PNG"));
  }
  const ByteReader space =
      location.method == 1 ? file_.within(idat_.begin, idat_.end - idat_.begin) : file_.within(0, file_.size());
  std::vector<std::byte> bytes;
  for (const Extent& extent : location.extents) {
    const std::uint64_t rest = space.size() - std::min(extent.offset, space.size());
    const Bytes part = space.part(extent.offset, extent.length == 0 ? rest : extent.length);
    if (part.size() > file_.size() - bytes.size()) file_.damaged("the parts of an item overlap");
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  return bytes;
}

std::vector<std::uint32_t> HeifFile::references(const char* type, std::uint32_t from) const {
  std::vector<std::uint32_t> found;
  for (const Reference& r : references_) {
    if (r.from == from && r.type == type) found.insert(found.end(), r.to.begin(), r.to.end());
  }
  return found;
}

bool HeifFile::refers(const char* type, std::uint32_t from, std::uint32_t to) const {
  const auto targets = references(type, from);
  return std::find(targets.begin(), targets.end(), to) != targets.end();
}

std::uint32_t HeifFile::alpha_of(std::uint32_t to) const {
  for (const auto& [id, item] : items_) {
    const HeifProperty* kind = item.find("auxC");
    if (kind == nullptr || kind->content.size() <= 4 || !refers("auxl", id, to)) continue;
    const std::string_view text(reinterpret_cast<const char*>(kind->content.data()) + 4, kind->content.size() - 4);
    if (text.starts_with("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha") || text.starts_with("urn:mpeg:hevc:2015:auxid:1"))
      return id;
  }
  return 0;
}

}  // namespace espalier::codec
