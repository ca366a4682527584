// Writers of the image files that the tests of foreign formats need: GIF, TIFF, BMP, HEIF containers, colour profiles.
#pragma once

#include <lcms2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "codec_samples.h"

namespace espalier::test {

// Bytes in one order.
class ByteWriter {
 public:
  explicit ByteWriter(bool big_endian = false) : big_endian_(big_endian) {}
  ByteWriter& number(std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) {
      const unsigned shift = 8U * (big_endian_ ? size - 1 - i : i);
      bytes.push_back(static_cast<std::byte>(shift < 64 ? value >> shift & 255U : 0));
    }
    return *this;
  }
  ByteWriter& text(std::string_view t) {
    for (const char c : t) bytes.push_back(static_cast<std::byte>(c));
    return *this;
  }
  ByteWriter& add(const Bytes& more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
    return *this;
  }
  void set(std::size_t at, std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i)
      bytes[at + i] = static_cast<std::byte>(value >> (8U * (big_endian_ ? size - 1 - i : i)) & 255U);
  }
  Bytes bytes;

 private:
  bool big_endian_;
};

// Codes of Lempel, Ziv and Welch: GIF's (low bits first), or TIFF's (high bits first, wider one code earlier).
inline Bytes lzw(const std::vector<std::uint8_t>& values, unsigned depth, bool gif) {
  const std::uint32_t clear = 1U << depth;
  std::map<std::pair<std::uint32_t, std::uint8_t>, std::uint32_t> table;
  std::uint32_t next = clear + 2, word = 0, buffer = 0;
  unsigned width = depth + 1, bits = 0;
  Bytes out;
  const auto put = [&](std::uint32_t code) {
    buffer = gif ? buffer | code << bits : buffer << width | code;
    for (bits += width; bits >= 8; bits -= 8) {
      out.push_back(static_cast<std::byte>(gif ? buffer & 255U : buffer >> (bits - 8) & 255U));
      if (gif) buffer >>= 8U;
    }
  };
  const auto reset = [&] {
    put(clear);
    table.clear();
    next = clear + 2;
    width = depth + 1;
  };
  reset();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i == 0) {
      word = values[0];
      continue;
    }
    if (const auto found = table.find({word, values[i]}); found != table.end()) {
      word = found->second;
      continue;
    }
    put(word);
    table[{word, values[i]}] = next++;
    if (next + (gif ? 0 : 1) > 1U << width) ++width;
    if (next >= 4094) reset();
    word = values[i];
  }
  put(word);
  if (next + (gif ? 1 : 2) > 1U << width && width < 12) ++width;
  put(clear + 1);
  if (bits > 0) out.push_back(static_cast<std::byte>(gif ? buffer & 255U : buffer << (8 - bits) & 255U));
  return out;
}

struct GifForm {
  int width = 0, height = 0;  // of the screen
  int x = 0, y = 0, frame_width = 0, frame_height = 0;
  bool interlaced = false;
  int transparent = -1;
  int frames = 1;
};
// 256 colours: i, 255 - i, i / 2. `indices` in the order of the file.
inline Bytes make_gif(const GifForm& form, const std::vector<std::uint8_t>& indices) {
  ByteWriter w;
  w.text("GIF89a").number(static_cast<std::uint64_t>(form.width), 2).number(static_cast<std::uint64_t>(form.height), 2);
  w.number(0xF7, 1).number(0, 2);
  for (unsigned i = 0; i < 256; ++i) w.number(i, 1).number(255 - i, 1).number(i / 2, 1);
  for (int frame = 0; frame < form.frames; ++frame) {
    if (form.transparent >= 0)
      w.number(0x04F921, 3).number(1, 1).number(0, 2).number(static_cast<std::uint64_t>(form.transparent), 1).number(0, 1);
    w.number(0x2C, 1);
    for (const int v : {form.x, form.y, form.frame_width, form.frame_height}) w.number(static_cast<std::uint64_t>(v), 2);
    w.number(form.interlaced ? 0x40 : 0, 1).number(8, 1);
    const Bytes codes = lzw(indices, 8, /*gif=*/true);
    for (std::size_t at = 0; at < codes.size(); at += 255) {
      const std::size_t n = std::min<std::size_t>(255, codes.size() - at);
      w.number(n, 1).add(
          Bytes(codes.begin() + static_cast<std::ptrdiff_t>(at), codes.begin() + static_cast<std::ptrdiff_t>(at + n)));
    }
    w.number(0, 1);
  }
  w.number(0x3B, 1);
  return w.bytes;
}

// A TIFF of one directory whose fields are given; strips follow. Values of more than 4 bytes are put behind the directory.
struct TiffField {
  std::uint32_t tag = 0, type = 3;  // 3: 2 bytes, 4: 4 bytes, 7: bytes
  std::vector<std::uint32_t> values{};
};
inline Bytes make_tiff(bool big_endian, std::vector<TiffField> fields, const std::vector<Bytes>& strips, bool tiles = false) {
  TiffField offsets{tiles ? 324U : 273U, 4}, counts{tiles ? 325U : 279U, 4};
  offsets.values.resize(strips.size());
  for (const Bytes& strip : strips) counts.values.push_back(static_cast<std::uint32_t>(strip.size()));
  fields.push_back(offsets);
  fields.push_back(counts);
  std::sort(fields.begin(), fields.end(), [](const TiffField& a, const TiffField& b) { return a.tag < b.tag; });
  const auto size_of = [](std::uint32_t type) { return type == 3 ? 2U : type == 4 ? 4U : 1U; };
  ByteWriter w(big_endian);
  w.text(big_endian ? "MM" : "II").number(42, 2).number(8, 4).number(fields.size(), 2);
  std::size_t behind = 8 + 2 + fields.size() * 12 + 4, offsets_at = 0;
  ByteWriter values(big_endian);
  for (const TiffField& field : fields) {
    w.number(field.tag, 2).number(field.type, 2).number(field.values.size(), 4);
    const unsigned size = size_of(field.type);
    ByteWriter own(big_endian);
    for (const std::uint32_t v : field.values) own.number(v, size);
    const bool inside = own.bytes.size() <= 4;
    if (field.tag == offsets.tag) offsets_at = inside ? w.bytes.size() : behind + values.bytes.size();
    if (inside) {
      own.bytes.resize(4);
      w.add(own.bytes);
    } else {
      w.number(behind + values.bytes.size(), 4);
      values.add(own.bytes);
    }
  }
  w.number(0, 4).add(values.bytes);
  for (std::size_t i = 0; i < strips.size(); ++i) {
    w.set(offsets_at + i * 4, w.bytes.size(), 4);
    w.add(strips[i]);
  }
  return w.bytes;
}

struct BmpForm {
  int width = 0, height = 0;  // negative: from top to bottom
  unsigned bits = 24, compression = 0;
  std::vector<std::uint32_t> masks{};    // of 16 and 32 bits, behind the header of 40 bytes
  std::vector<std::uint32_t> palette{};  // 0xRRGGBB
};
inline Bytes make_bmp(const BmpForm& form, const Bytes& rows) {
  ByteWriter w;
  const bool alpha = form.masks.size() == 4;
  const unsigned header = alpha ? 56 : 40;
  const std::size_t pixels = 14 + header + (alpha ? 0 : form.masks.size() * 4) + form.palette.size() * 4;
  w.text("BM").number(pixels + rows.size(), 4).number(0, 4).number(pixels, 4).number(header, 4);
  w.number(static_cast<std::uint32_t>(form.width), 4).number(static_cast<std::uint32_t>(form.height), 4).number(1, 2);
  w.number(form.bits, 2)
      .number(form.compression, 4)
      .number(rows.size(), 4)
      .number(0, 8)
      .number(form.palette.size(), 4)
      .number(0, 4);
  for (const std::uint32_t mask : form.masks) w.number(mask, 4);
  for (const std::uint32_t colour : form.palette) w.number(colour, 4);
  return w.add(rows).bytes;
}

// A container of HEIC or AVIF.
class HeifWriter {
 public:
  struct Item {
    std::string type;
    Bytes data;
    std::vector<Bytes> properties;  // whole boxes
    bool hidden = false;
  };
  static Bytes box(const std::string& type, const Bytes& content) {
    ByteWriter w(true);
    return w.number(content.size() + 8, 4).text(type).add(content).bytes;
  }
  static Bytes full_box(const std::string& type, std::uint32_t version_and_flags, const Bytes& content) {
    ByteWriter w(true);
    return box(type, w.number(version_and_flags, 4).add(content).bytes);
  }
  static Bytes size(std::uint32_t width, std::uint32_t height) {
    return full_box("ispe", 0, ByteWriter(true).number(width, 4).number(height, 4).bytes);
  }
  static Bytes grid(unsigned rows, unsigned columns, unsigned width, unsigned height) {
    return ByteWriter(true).number(0, 2).number(rows - 1, 1).number(columns - 1, 1).number(width, 2).number(height, 2).bytes;
  }
  // Ids are 1 to n in the order of the calls.
  std::uint32_t add(Item item) {
    items_.push_back(std::move(item));
    return static_cast<std::uint32_t>(items_.size());
  }
  void refer(const std::string& type, std::uint32_t from, const std::vector<std::uint32_t>& to) {
    ByteWriter w(true);
    w.number(from, 2).number(to.size(), 2);
    for (const std::uint32_t id : to) w.number(id, 2);
    references_.add(box(type, w.bytes));
  }
  [[nodiscard]] Bytes bytes(std::uint32_t primary) const {
    const Bytes head = box("ftyp", ByteWriter(true).text("heic").number(0, 4).text("mif1heic").bytes);
    const Bytes first = meta(primary, 0);
    ByteWriter w(true), data(true);
    for (const Item& item : items_) data.add(item.data);
    return w.add(head).add(meta(primary, head.size() + first.size() + 8)).add(box("mdat", data.bytes)).bytes;
  }

 private:
  [[nodiscard]] Bytes meta(std::uint32_t primary, std::size_t data_at) const {
    ByteWriter infos(true), places(true), properties(true), uses(true), all(true);
    infos.number(items_.size(), 2);
    places.number(0x4400, 2).number(items_.size(), 2);
    uses.number(items_.size(), 4);
    std::size_t property = 0, at = data_at;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const Item& item = items_[i];
      ByteWriter info(true);
      infos.add(full_box("infe", 0x02000000U | (item.hidden ? 1U : 0U),
                         info.number(i + 1, 2).number(0, 2).text(item.type).number(0, 1).bytes));
      places.number(i + 1, 2).number(0, 2).number(1, 2).number(at, 4).number(item.data.size(), 4);
      at += item.data.size();
      uses.number(i + 1, 2).number(item.properties.size(), 1);
      for (const Bytes& one : item.properties) {
        properties.add(one);
        uses.number(++property, 1);
      }
    }
    ByteWriter both(true);
    both.add(box("ipco", properties.bytes)).add(full_box("ipma", 0, uses.bytes));
    all.add(full_box("pitm", 0, ByteWriter(true).number(primary, 2).bytes)).add(full_box("iloc", 0, places.bytes));
    all.add(full_box("iinf", 0, infos.bytes)).add(box("iprp", both.bytes)).add(full_box("iref", 0, references_.bytes));
    return full_box("meta", 0, all.bytes);
  }
  std::vector<Item> items_;
  ByteWriter references_{true};
};

inline Bytes saved(cmsHPROFILE profile) {
  cmsUInt32Number size = 0;
  cmsSaveProfileToMem(profile, nullptr, &size);
  Bytes bytes(size);
  if (cmsSaveProfileToMem(profile, bytes.data(), &size) == 0) throw std::runtime_error("the profile cannot be saved");
  cmsCloseProfile(profile);
  return bytes;
}
inline Bytes srgb_profile() { return saved(cmsCreate_sRGBProfile()); }
// A wide space with gamma 2.2.
inline Bytes wide_profile() {
  const cmsCIExyY white = {0.3127, 0.3290, 1.0};
  const cmsCIExyYTRIPLE primaries = {{0.708, 0.292, 1.0}, {0.170, 0.797, 1.0}, {0.131, 0.046, 1.0}};
  cmsToneCurve* curve = cmsBuildGamma(nullptr, 2.2);
  std::array<cmsToneCurve*, 3> curves = {curve, curve, curve};
  const Bytes bytes = saved(cmsCreateRGBProfile(&white, &primaries, curves.data()));
  cmsFreeToneCurve(curve);
  return bytes;
}
// Gray with gamma 1: darker numbers are brighter than in sRGB.
inline Bytes linear_gray_profile() {
  cmsToneCurve* curve = cmsBuildGamma(nullptr, 1.0);
  const Bytes bytes = saved(cmsCreateGrayProfile(cmsD50_xyY(), curve));
  cmsFreeToneCurve(curve);
  return bytes;
}
// Inks whose lightness falls evenly with their sum, whatever they are: nothing that a formula without a profile does.
inline Bytes gray_ink_profile() {
  cmsHPROFILE profile = cmsCreateProfilePlaceholder(nullptr);
  cmsSetProfileVersion(profile, 2.4);
  cmsSetDeviceClass(profile, cmsSigOutputClass);
  cmsSetColorSpace(profile, cmsSigCmykData);
  cmsSetPCS(profile, cmsSigLabData);
  cmsPipeline* pipeline = cmsPipelineAlloc(nullptr, 4, 3);
  cmsStage* table = cmsStageAllocCLut16bit(nullptr, 3, 4, 3, nullptr);
  cmsStageSampleCLut16bit(
      table,
      [](const cmsUInt16Number in[], cmsUInt16Number out[], void*) -> cmsInt32Number {
        const int sum = in[0] + in[1] + in[2] + in[3];
        out[0] = static_cast<cmsUInt16Number>((65535 - sum / 4) / 65535.0 * 0xFF00);
        out[1] = out[2] = 0x8000;
        return 1;
      },
      nullptr, 0);
  cmsPipelineInsertStage(pipeline, cmsAT_END, table);
  for (const cmsTagSignature tag : {cmsSigAToB0Tag, cmsSigAToB1Tag}) cmsWriteTag(profile, tag, pipeline);
  cmsPipelineFree(pipeline);
  cmsWriteTag(profile, cmsSigMediaWhitePointTag, cmsD50_XYZ());
  return saved(profile);
}

}  // namespace espalier::test
