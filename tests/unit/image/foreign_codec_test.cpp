// Formats that are read and not written: HEIC, AVIF, GIF, TIFF, BMP; CMYK; colour profiles; what notices say.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "foreign_samples.h"
#include "image/codec.h"
#include "image/heif_boxes.h"
#include "support/data.h"
#include "support/errors.h"

namespace espalier {
namespace {

using test::Bytes;
using test::ByteWriter;
using test::data_path;
using test::expect_error;
using test::HeifWriter;

Bytes foreign(const std::string& name) { return read_file(data_path("images/foreign/" + name), 1 << 20); }

struct Seen {
  Image image;
  std::vector<std::string> notices;
};
Seen decoded(const Bytes& file) {
  Seen seen;
  seen.image = decode_image(file, "x", nullptr, &seen.notices);
  return seen;
}

void expect_colour(const Image& image, int x, int y, const std::array<int, 3>& colour, int tolerance) {
  for (std::size_t c = 0; c < 3; ++c)
    EXPECT_NEAR(image.at(x, y)[c], colour[c], tolerance) << x << ", " << y << ", channel " << c;
}

// Four fields of 24 x 16 pixels, of which the data file has one colour each.
void expect_fields(const Image& image, int tolerance) {
  ASSERT_EQ(image.width, 48);
  ASSERT_EQ(image.height, 32);
  for (const int x : {4, 19, 28, 43}) {
    for (const int y : {3, 12, 19, 28}) expect_colour(image, x, y, {x < 24 ? 40 : 210, y < 16 ? 60 : 190, 120}, tolerance);
  }
}

TEST(ForeignFiles, OfOtherPrograms) {
  for (const auto& [name, tolerance] :
       std::vector<std::pair<std::string, int>>{{"q.heic", 4}, {"q.avif", 4}, {"q10.avif", 4}, {"q.gif", 4}, {"q.tif", 0}}) {
    SCOPED_TRACE(name);
    const Seen seen = decoded(foreign(name));
    // ffmpeg keeps a transparent colour in the palette of a GIF.
    EXPECT_EQ(seen.image.channels, name == "q.gif" ? 4 : 3);
    EXPECT_TRUE(seen.notices.empty());
    expect_fields(seen.image, tolerance);
  }
}

// ---- HEIF

// The coded item of a data file, for containers of our own.
HeifWriter::Item coded_item(const std::string& file) {
  const Bytes bytes = foreign(file);
  const codec::HeifFile heif(bytes, file);
  for (std::uint32_t id = 0; id < 4096; ++id) {
    HeifWriter::Item out;
    try {
      out.type = heif.item(id).type;
    } catch (const Error&) {
      continue;
    }
    if (out.type != "hvc1" && out.type != "av01") continue;
    out.data = heif.data(id);
    for (const codec::HeifProperty& p : heif.item(id).properties)
      out.properties.push_back(HeifWriter::box(p.type, {p.content.begin(), p.content.end()}));
    return out;
  }
  throw std::logic_error("no coded item in " + file);
}

Bytes alone(HeifWriter::Item item, const std::vector<Bytes>& more = {}) {
  item.properties.insert(item.properties.end(), more.begin(), more.end());
  HeifWriter writer;
  const std::uint32_t id = writer.add(std::move(item));
  return writer.bytes(id);
}

TEST(Heif, IsTurnedMirroredAndCropped) {
  const auto turned = [&](unsigned quarters) {
    return decoded(alone(coded_item("q.avif"), {HeifWriter::box("irot", {std::byte(quarters)})})).image;
  };
  const Image left = turned(1);  // the top right field comes to the top left
  ASSERT_EQ(left.width, 32);
  ASSERT_EQ(left.height, 48);
  expect_colour(left, 4, 4, {210, 60, 120}, 4);
  expect_colour(left, 28, 4, {210, 190, 120}, 4);
  expect_colour(turned(2), 4, 4, {210, 190, 120}, 4);
  expect_colour(turned(3), 4, 4, {40, 190, 120}, 4);
  const auto mirrored = [&](unsigned axis) {
    return decoded(alone(coded_item("q.avif"), {HeifWriter::box("imir", {std::byte(axis)})})).image;
  };
  expect_colour(mirrored(0), 4, 4, {40, 190, 120}, 4);  // top and bottom exchanged
  expect_colour(mirrored(1), 4, 4, {210, 60, 120}, 4);
  // 20 x 12 pixels around (34, 20): x from 24, y from 14.
  ByteWriter clap(true);
  for (const int v : {20, 1, 12, 1, 10, 1, 4, 1}) clap.number(static_cast<std::uint32_t>(v), 4);
  const Image part = decoded(alone(coded_item("q.avif"), {HeifWriter::box("clap", clap.bytes)})).image;
  ASSERT_EQ(part.width, 20);
  ASSERT_EQ(part.height, 12);
  expect_colour(part, 3, 0, {210, 60, 120}, 8);
  expect_colour(part, 3, 6, {210, 190, 120}, 4);
  clap.set(0, 60, 4);
  expect_error(ErrorCode::format, {"crop"},
               [&] { (void)decoded(alone(coded_item("q.avif"), {HeifWriter::box("clap", clap.bytes)})); });
}

// As telephones write it: tiles, of which the last row and column reach beyond the image.
TEST(Heif, TilesMakeOneImage) {
  for (const char* file : {"q.heic", "q.avif"}) {
    HeifWriter::Item tile = coded_item(file);
    const bool hevc = tile.type == "hvc1";  // coded with 64 x 64 pixels
    const unsigned w = hevc ? 64 : 48, h = hevc ? 64 : 32;
    HeifWriter writer;
    std::vector<std::uint32_t> tiles;
    tile.hidden = true;
    for (int i = 0; i < 4; ++i) tiles.push_back(writer.add(tile));
    const auto grid = [&](unsigned rows, unsigned columns, unsigned width, unsigned height) {
      return writer.add({"grid", HeifWriter::grid(rows, columns, width, height), {HeifWriter::size(width, height)}});
    };
    const std::uint32_t good = grid(2, 2, w + 40, h + 20), short_of = grid(2, 2, w * 2 + 1, h), few = grid(1, 3, w * 3, h);
    for (const std::uint32_t id : {good, short_of, few}) writer.refer("dimg", id, tiles);
    const Seen seen = decoded(writer.bytes(good));
    ASSERT_EQ(seen.image.width, static_cast<int>(w) + 40);
    ASSERT_EQ(seen.image.height, static_cast<int>(h) + 20);
    for (const int x : {0, static_cast<int>(w)}) {
      for (const int y : {0, static_cast<int>(h)}) {
        expect_colour(seen.image, x + 4, y + 4, {40, 60, 120}, 4);
        expect_colour(seen.image, x + 36, y + 4, {210, 60, 120}, 4);
      }
    }
    expect_error(ErrorCode::format, {"do not cover"}, [&] { (void)decoded(writer.bytes(short_of)); });
    expect_error(ErrorCode::format, {"4 tiles for 1 x 3"}, [&] { (void)decoded(writer.bytes(few)); });
  }
}

TEST(Heif, AlphaIsAnItemOfItsOwn) {
  HeifWriter writer;
  const std::uint32_t colour = writer.add(coded_item("q.avif"));
  HeifWriter::Item mask = coded_item("q.avif");
  mask.properties.push_back(
      HeifWriter::full_box("auxC", 0, ByteWriter().text("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha").number(0, 1).bytes));
  const std::uint32_t alpha = writer.add(mask);
  writer.refer("auxl", alpha, {colour});
  const Seen straight = decoded(writer.bytes(colour));
  ASSERT_EQ(straight.image.channels, 4);
  EXPECT_TRUE(straight.notices.empty());
  // The brightness of the fields by BT.601, from 16..235.
  const auto brightness = [](int r, int g, int b) { return 0.299 * r + 0.587 * g + 0.114 * b; };
  EXPECT_NEAR(straight.image.at(4, 4)[3], brightness(40, 60, 120), 5);
  EXPECT_NEAR(straight.image.at(40, 28)[3], brightness(210, 190, 120), 5);
  expect_colour(straight.image, 4, 4, {40, 60, 120}, 4);
  writer.refer("prem", colour, {alpha});
  const Image divided = decoded(writer.bytes(colour)).image;
  const double share = divided.at(4, 4)[3] / 255.0;
  expect_colour(divided, 4, 4, {static_cast<int>(40 / share), static_cast<int>(60 / share), 255}, 4);
}

TEST(Heif, ProfilesAndPrimariesAreHonoured) {
  const auto with = [&](const Bytes& colr) {
    HeifWriter::Item item = coded_item("q.avif");
    std::erase_if(item.properties, [](const Bytes& b) {
      return std::equal(b.begin() + 4, b.begin() + 8, reinterpret_cast<const std::byte*>("colr"));
    });
    item.properties.push_back(HeifWriter::box("colr", colr));
    return decoded(alone(item));
  };
  const auto nclx = [](unsigned primaries, unsigned transfer) {
    return ByteWriter(true).text("nclx").number(primaries, 2).number(transfer, 2).number(6, 2).number(0x80, 1).bytes;
  };
  expect_fields(with(nclx(1, 13)).image, 4);
  const Image wide = with(nclx(9, 13)).image;
  EXPECT_GT(wide.at(40, 4)[0], 225);  // red is redder in a wide space
  EXPECT_LT(wide.at(40, 4)[1], 50);
  const Image p3 = with(nclx(12, 13)).image;
  EXPECT_GT(p3.at(40, 4)[0], 215);
  EXPECT_LT(p3.at(40, 4)[0], wide.at(40, 4)[0]);
  const Image profiled = with(ByteWriter(true).text("prof").add(test::wide_profile()).bytes).image;
  EXPECT_NEAR(profiled.at(40, 4)[0], wide.at(40, 4)[0], 6);
  const Seen bright = with(nclx(9, 16));
  ASSERT_EQ(bright.notices.size(), 1U);
  EXPECT_NE(bright.notices[0].find("high dynamic range"), std::string::npos);
}

TEST(Heif, WhatIsNotReadIsNamed) {
  HeifWriter::Item item = coded_item("q.avif");
  item.type = "jpeg";
  expect_error(ErrorCode::unsupported, {"\"jpeg\""}, [&] { (void)decoded(alone(item)); });
  Bytes film = HeifWriter::box("ftyp", ByteWriter(true).text("avis").number(0, 4).bytes);
  const Bytes moov = HeifWriter::box("moov", {});
  film.insert(film.end(), moov.begin(), moov.end());
  expect_error(ErrorCode::unsupported, {"sequence"}, [&] { (void)decoded(film); });
  HeifWriter two;
  const std::uint32_t first = two.add(coded_item("q.avif"));
  (void)two.add(coded_item("q.avif"));
  EXPECT_EQ(decoded(two.bytes(first)).notices.size(), 1U);
}

TEST(Heif, DamageAndLiesAreRefused) {
  for (const char* file : {"q.heic", "q.avif"}) {
    SCOPED_TRACE(file);
    Bytes cut = foreign(file);
    cut.erase(cut.end() - 20, cut.end());
    expect_error(ErrorCode::format, {}, [&] { (void)decoded(cut); });
    // An image that is smaller than its container says.
    HeifWriter::Item item = coded_item(file);
    std::erase_if(item.properties, [](const Bytes& b) {
      return std::equal(b.begin() + 4, b.begin() + 8, reinterpret_cast<const std::byte*>("ispe"));
    });
    HeifWriter::Item huge = item;
    item.properties.push_back(HeifWriter::size(256, 256));
    expect_error(ErrorCode::format, {"256 x 256"}, [&] { (void)decoded(alone(item)); });
    huge.properties.push_back(HeifWriter::size(20000, 20000));
    expect_error(ErrorCode::format, {"20000 x 20000", "16384"}, [&] { (void)decoded(alone(huge)); });
    // One that is much larger would make its decoder allocate more than was checked.
    item.properties.back() = HeifWriter::size(1, 1);
    if (item.type == "av01") {
      EXPECT_EQ(decoded(alone(item)).image.pixels.size(), 3U);
    }
  }
}

// ---- GIF

std::vector<std::uint8_t> ramp(std::size_t n) {
  std::vector<std::uint8_t> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<std::uint8_t>(i * i / 7 + i);
  return values;
}

TEST(Gif, AllCodeWidthsAndInterlacing) {
  test::GifForm form{.width = 120, .height = 97, .frame_width = 120, .frame_height = 97};
  const std::vector<std::uint8_t> values = ramp(120 * 97);
  const Seen plain = decoded(test::make_gif(form, values));
  ASSERT_EQ(plain.image.channels, 3);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(plain.image.pixels[i * 3], values[i]) << i;
    ASSERT_EQ(plain.image.pixels[i * 3 + 1], 255 - values[i]);
  }
  std::vector<std::uint8_t> stored;
  for (const auto& [start, step] : {std::pair{0, 8}, {4, 8}, {2, 4}, {1, 2}}) {
    for (int y = start; y < 97; y += step)
      stored.insert(stored.end(), values.begin() + y * 120, values.begin() + (y + 1) * 120);
  }
  form.interlaced = true;
  EXPECT_EQ(decoded(test::make_gif(form, stored)).image.pixels, plain.image.pixels);
}

TEST(Gif, FramesTransparencyAndDamage) {
  const test::GifForm form{
      .width = 6, .height = 5, .x = 2, .y = 1, .frame_width = 4, .frame_height = 4, .transparent = 9, .frames = 3};
  std::vector<std::uint8_t> values(16, 100);
  values[5] = 9;
  const Bytes file = test::make_gif(form, values);
  const Seen seen = decoded(file);
  ASSERT_EQ(seen.image.channels, 4);
  EXPECT_EQ(seen.image.at(0, 0)[3], 0);
  EXPECT_EQ(seen.image.at(2, 1)[3], 255);
  EXPECT_EQ(seen.image.at(2, 1)[0], 100);
  EXPECT_EQ(seen.image.at(3, 2)[3], 0);
  ASSERT_EQ(seen.notices.size(), 1U);
  EXPECT_NE(seen.notices[0].find("first frame"), std::string::npos);
  for (const std::size_t size : {std::size_t{14}, std::size_t{500}, std::size_t{800}}) {
    expect_error(ErrorCode::format, {"damaged GIF"},
                 [&] { (void)decoded(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size))); });
  }
}

// ---- TIFF

Bytes raw(const std::vector<std::uint8_t>& values) {
  const auto* data = reinterpret_cast<const std::byte*>(values.data());
  return {data, data + values.size()};
}

std::vector<test::TiffField> rgb_fields(std::uint32_t width, std::uint32_t height, std::uint32_t compression,
                                        std::uint32_t rows) {
  return {{256, 4, {width}}, {257, 4, {height}}, {258, 3, {8, 8, 8}}, {259, 3, {compression}},
          {262, 3, {2}},     {277, 3, {3}},      {278, 4, {rows}}};
}

TEST(Tiff, StripsTilesPlanesAndPredictors) {
  constexpr int kWidth = 40, kHeight = 37;
  const Image image = test::gradient(kWidth, kHeight, 3);
  const auto rows = [&](int from, int to) {
    return std::vector<std::uint8_t>(image.at(0, from), image.at(0, to - 1) + kWidth * 3);
  };
  for (const bool big : {false, true}) {
    const std::vector<Bytes> strips = {raw(rows(0, 20)), raw(rows(20, 37))};
    EXPECT_EQ(decoded(test::make_tiff(big, rgb_fields(kWidth, kHeight, 1, 20), strips)).image.pixels, image.pixels);
    const std::vector<Bytes> packed = {test::lzw(rows(0, 20), 8, false), test::lzw(rows(20, 37), 8, false)};
    EXPECT_EQ(decoded(test::make_tiff(big, rgb_fields(kWidth, kHeight, 5, 20), packed)).image.pixels, image.pixels);
    // Differences to the pixel before.
    std::vector<std::uint8_t> differences = image.pixels;
    for (int y = 0; y < kHeight; ++y) {
      for (int i = kWidth * 3 - 1; i >= 3; --i) {
        std::uint8_t* row = &differences[static_cast<std::size_t>(y) * kWidth * 3];
        row[i] = static_cast<std::uint8_t>(row[i] - row[i - 3]);
      }
    }
    auto fields = rgb_fields(kWidth, kHeight, 5, kHeight);
    fields.push_back({317, 3, {2}});
    EXPECT_EQ(decoded(test::make_tiff(big, fields, {test::lzw(differences, 8, false)})).image.pixels, image.pixels);
    // One plane for each channel.
    std::vector<Bytes> planes;
    for (int c = 0; c < 3; ++c) {
      std::vector<std::uint8_t> plane;
      for (std::size_t i = 0; i < image.pixel_count(); ++i) plane.push_back(image.pixels[i * 3 + static_cast<std::size_t>(c)]);
      planes.push_back(raw(plane));
    }
    fields = rgb_fields(kWidth, kHeight, 1, kHeight);
    fields.push_back({284, 3, {2}});
    EXPECT_EQ(decoded(test::make_tiff(big, fields, planes)).image.pixels, image.pixels);
    // Tiles of 32 x 16, the last ones beyond the image.
    std::vector<Bytes> tiles;
    for (int y0 = 0; y0 < kHeight; y0 += 16) {
      for (int x0 = 0; x0 < kWidth; x0 += 32) {
        std::vector<std::uint8_t> tile;
        for (int y = y0; y < y0 + 16; ++y) {
          for (int x = x0; x < x0 + 32; ++x) {
            const bool inside = x < kWidth && y < kHeight;
            for (int c = 0; c < 3; ++c) tile.push_back(inside ? image.at(x, y)[c] : 0);
          }
        }
        tiles.push_back(raw(tile));
      }
    }
    fields = rgb_fields(kWidth, kHeight, 1, kHeight);
    fields.push_back({322, 3, {32}});
    fields.push_back({323, 3, {16}});
    EXPECT_EQ(decoded(test::make_tiff(big, fields, tiles, /*tiles=*/true)).image.pixels, image.pixels);
  }
}

TEST(Tiff, DepthsPalettesAndAlpha) {
  using Values = std::vector<std::uint8_t>;
  const auto gray = [](std::uint32_t bits, std::uint32_t kind) {
    return std::vector<test::TiffField>{{256, 3, {4}},    {257, 3, {1}}, {258, 3, {bits}}, {259, 3, {1}},
                                        {262, 3, {kind}}, {277, 3, {1}}, {278, 3, {1}}};
  };
  EXPECT_EQ(decoded(test::make_tiff(false, gray(1, 1), {raw({0xA0})})).image.pixels,
            (Values{255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0}));
  EXPECT_EQ(decoded(test::make_tiff(false, gray(4, 0), {raw({0x0F, 0x5A})})).image.pixels,
            (Values{255, 255, 255, 0, 0, 0, 170, 170, 170, 85, 85, 85}));
  EXPECT_EQ(decoded(test::make_tiff(true, gray(16, 1), {raw({0x12, 0xFF, 0x34, 0, 0x56, 0, 0x78, 0})})).image.at(1, 0)[0],
            0x34);
  EXPECT_EQ(decoded(test::make_tiff(false, gray(16, 1), {raw({0xFF, 0x12, 0, 0x34, 0, 0x56, 0, 0x78})})).image.at(1, 0)[0],
            0x34);
  auto palette = gray(2, 3);
  palette.push_back({320, 3, {0x0A00, 0x0B00, 0x0C00, 0x0D00, 0x1A00, 0x1B00, 0x1C00, 0x1D00, 0x2A00, 0x2B00, 0x2C00, 0x2D00}});
  EXPECT_EQ(decoded(test::make_tiff(false, palette, {raw({0x1B})})).image.pixels,
            (Values{10, 26, 42, 11, 27, 43, 12, 28, 44, 13, 29, 45}));
  auto rgba = rgb_fields(1, 1, 1, 1);
  rgba[2] = {258, 3, {8, 8, 8, 8}};
  rgba[5] = {277, 3, {4}};
  rgba.push_back({338, 3, {2}});
  EXPECT_EQ(decoded(test::make_tiff(false, rgba, {raw({50, 25, 10, 128})})).image.pixels, (Values{50, 25, 10, 128}));
  rgba.back() = {338, 3, {1}};
  EXPECT_EQ(decoded(test::make_tiff(false, rgba, {raw({50, 25, 10, 128})})).image.pixels, (Values{100, 50, 20, 128}));
  auto turned = gray(8, 1);
  turned.push_back({274, 3, {6}});
  EXPECT_EQ(decoded(test::make_tiff(false, turned, {raw({1, 2, 3, 4})})).image.height, 4);
}

TEST(Tiff, WhatIsNotReadIsNamedAndDamageIsRefused) {
  auto fields = rgb_fields(2, 2, 7, 2);
  expect_error(ErrorCode::unsupported, {"JPEG inside"}, [&] { (void)decoded(test::make_tiff(false, fields, {raw({1})})); });
  fields[3].values = {1};
  expect_error(ErrorCode::format, {"damaged TIFF", "pixels are missing"}, [&] {
    (void)decoded(test::make_tiff(false, fields, {raw({1, 2, 3})}));
  });
  fields[3].values = {32773};
  expect_error(ErrorCode::format, {"pixels are missing"}, [&] {
    (void)decoded(test::make_tiff(false, fields, {raw({0x80, 5, 1})}));
  });
  fields[0].values = {30000};
  expect_error(ErrorCode::format, {"30000 x 2"}, [&] { (void)decoded(test::make_tiff(false, fields, {raw({1})})); });
  fields = rgb_fields(2, 2, 1, 2);
  fields.push_back({339, 3, {3}});
  expect_error(ErrorCode::unsupported, {"floating-point"}, [&] { (void)decoded(test::make_tiff(false, fields, {raw({1})})); });
  expect_error(ErrorCode::unsupported, {"BigTIFF"}, [] { (void)decoded(ByteWriter().text("II+").number(0, 20).bytes); });
}

// ---- BMP

TEST(Bmp, DepthsMasksAndRuns) {
  using Values = std::vector<std::uint8_t>;
  const Bytes rows24 = raw({30, 20, 10, 60, 50, 40, 0, 0, 90, 80, 70, 120, 110, 100, 0, 0});
  const Values down = {70, 80, 90, 100, 110, 120, 10, 20, 30, 40, 50, 60};
  EXPECT_EQ(decoded(test::make_bmp({.width = 2, .height = 2}, rows24)).image.pixels, down);
  EXPECT_EQ(decoded(test::make_bmp({.width = 2, .height = -2}, rows24)).image.pixels,
            (Values{10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120}));
  const test::BmpForm masked{
      .width = 1, .height = 1, .bits = 32, .compression = 3, .masks = {0xFF, 0xFF00, 0xFF0000, 0xFF000000}};
  EXPECT_EQ(decoded(test::make_bmp(masked, raw({1, 2, 3, 4}))).image.pixels, (Values{1, 2, 3, 4}));
  EXPECT_EQ(decoded(test::make_bmp({.width = 1, .height = 1, .bits = 32}, raw({1, 2, 3, 0}))).image.pixels, (Values{3, 2, 1}));
  const test::BmpForm narrow{.width = 1, .height = 1, .bits = 16, .compression = 3, .masks = {0xF800, 0x07E0, 0x001F}};
  EXPECT_EQ(decoded(test::make_bmp(narrow, raw({0xE0, 0x07, 0, 0}))).image.pixels, (Values{0, 255, 0}));
  test::BmpForm runs{.width = 4, .height = 2, .bits = 8, .compression = 1, .palette = {0x010203, 0x040506, 0x070809}};
  // Two of colour 1, then colours 2 0 as they are; end of row; a move by one; one of colour 2; the end.
  EXPECT_EQ(decoded(test::make_bmp(runs, raw({2, 1, 0, 3, 2, 0, 2, 0, 0, 0, 0, 2, 1, 0, 1, 2, 0, 1}))).image.pixels,
            (Values{1, 2, 3, 7, 8, 9, 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9, 1, 2, 3}));
  expect_error(ErrorCode::format, {"there is no colour 7"}, [&] { (void)decoded(test::make_bmp(runs, raw({1, 7}))); });
  expect_error(ErrorCode::format, {"damaged BMP"}, [] {
    (void)decoded(test::make_bmp({.width = 9, .height = 9}, raw({1, 2})));
  });
  expect_error(ErrorCode::unsupported, {"compression 4"},
               [] { (void)decoded(test::make_bmp({.width = 1, .height = 1, .compression = 4}, {})); });
}

// ---- Colours

TEST(Profiles, ThatSaySrgbChangeNothing) {
  const Image image = test::gradient(20, 20, 3);
  const Bytes profile = test::srgb_profile();
  const test::JpegForm plain{.quality = 95}, profiled{.quality = 95, .profile = &profile};
  EXPECT_EQ(decoded(test::make_jpeg(image, plain)).image.pixels, decoded(test::make_jpeg(image, profiled)).image.pixels);
}

TEST(Profiles, OfPngJpegWebpAndTiffAreHonoured) {
  Image flat(16, 16, 3);
  for (std::size_t i = 0; i < flat.pixel_count(); ++i) {
    const std::uint8_t colour[] = {210, 60, 120};
    std::copy_n(colour, 3, &flat.pixels[i * 3]);
  }
  const Bytes profile = test::wide_profile();
  const std::vector<std::uint32_t> bytes = [&] {
    std::vector<std::uint32_t> values;
    for (const std::byte b : profile) values.push_back(std::to_integer<std::uint32_t>(b));
    return values;
  }();
  auto fields = rgb_fields(16, 16, 1, 16);
  fields.push_back({34675, 7, bytes});
  std::vector<Image> images;
  images.push_back(decoded(test::make_png(16, 16, {.profile = &profile}, flat.pixels)).image);
  images.push_back(decoded(test::make_tiff(false, fields, {raw(flat.pixels)})).image);
  images.push_back(decoded(test::make_jpeg(flat, {.quality = 100, .profile = &profile})).image);
  images.push_back(decoded(test::with_webp_chunk(test::make_webp(flat), 16, 16, "ICCP", profile, 0x20)).image);
  for (const Image& p : images) {
    EXPECT_GT(p.at(8, 8)[0], 225);
    EXPECT_LT(p.at(8, 8)[1], 50);
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(p.at(8, 8)[c], images[0].at(8, 8)[c], 3);
  }
  // Alpha is no colour.
  Image clear = test::gradient(8, 8, 4);
  const Image kept =
      decoded(test::make_png(8, 8, {.colour_type = SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, .profile = &profile}, clear.pixels)).image;
  for (std::size_t i = 3; i < kept.pixels.size(); i += 4) ASSERT_EQ(kept.pixels[i], clear.pixels[i]);
  EXPECT_NE(kept.pixels, clear.pixels);
}

TEST(Profiles, OfGrayAndUselessOnes) {
  const Bytes linear = test::linear_gray_profile();
  const Seen gray = decoded(test::make_png(2, 1, {.colour_type = SPNG_COLOR_TYPE_GRAYSCALE, .profile = &linear}, {0, 55}));
  EXPECT_EQ(gray.image.at(0, 0)[0], 0);
  EXPECT_NEAR(gray.image.at(1, 0)[0], 128, 3);  // 0.216 of the light
  const Bytes ink = test::gray_ink_profile();
  const Seen wrong = decoded(test::make_png(1, 1, {.profile = &ink}, {1, 2, 3}));
  EXPECT_EQ(wrong.image.pixels, (std::vector<std::uint8_t>{1, 2, 3}));
  ASSERT_EQ(wrong.notices.size(), 1U);
  EXPECT_NE(wrong.notices[0].find("profile cannot be used"), std::string::npos);
}

TEST(Cmyk, WithAndWithoutProfile) {
  Image inks(16, 16, 4);
  for (std::size_t i = 0; i < inks.pixel_count(); ++i) {
    const std::uint8_t ink[] = {255, 55, 255, 205};  // Adobe's: 255 is no ink; 200 magenta, 50 black
    std::copy_n(ink, 4, &inks.pixels[i * 4]);
  }
  for (const J_COLOR_SPACE space : {JCS_CMYK, JCS_YCCK}) {
    const Seen plain = decoded(test::make_jpeg(inks, {.space = JCS_CMYK, .quality = 100, .stored = space}));
    expect_colour(plain.image, 8, 8, {205, 55 * 205 / 255, 205}, 3);
    EXPECT_EQ(plain.notices.size(), 1U);
    const Bytes profile = test::gray_ink_profile();
    const Seen printed =
        decoded(test::make_jpeg(inks, {.space = JCS_CMYK, .quality = 100, .profile = &profile, .stored = space}));
    EXPECT_TRUE(printed.notices.empty());
    // A quarter of all inks together: three quarters of the lightness, without colour.
    EXPECT_NEAR(printed.image.at(8, 8)[0], printed.image.at(8, 8)[1], 3);
    EXPECT_GT(printed.image.at(8, 8)[1], 160);
  }
}

// ---- Notices and orientation

TEST(WebpAnimation, ShowsItsFirstFrame) {
  const Image frame = test::gradient(10, 8, 4);
  const Bytes still = test::make_webp(frame);
  const Bytes file = test::animated_webp(20, 12, 4, 2, 10, 8, still, 2);
  const Seen seen = decoded(file);
  ASSERT_EQ(seen.image.width, 20);
  ASSERT_EQ(seen.image.channels, 4);
  EXPECT_EQ(seen.image.at(0, 0)[3], 0);
  EXPECT_TRUE(std::equal(frame.at(3, 3), frame.at(3, 3) + 4, seen.image.at(7, 5)));
  ASSERT_EQ(seen.notices.size(), 1U);
  EXPECT_NE(seen.notices[0].find("animated WebP"), std::string::npos);
  EXPECT_EQ(decoded(test::animated_webp(10, 8, 0, 0, 10, 8, still, 1)).image.pixels, frame.pixels);
  expect_error(ErrorCode::format, {"beyond"}, [&] { (void)decoded(test::animated_webp(12, 12, 4, 2, 10, 8, still, 1)); });
}

TEST(OrientationAsLong, IsApplied) {
  for (const bool big : {false, true}) {
    ByteWriter exif(big);
    exif.text(big ? "MM" : "II")
        .number(42, 2)
        .number(8, 4)
        .number(1, 2)
        .number(0x0112, 2)
        .number(4, 2)
        .number(1, 4)
        .number(6, 4)
        .number(0, 4);
    std::vector<std::uint8_t> block;
    for (const std::byte b : exif.bytes) block.push_back(std::to_integer<std::uint8_t>(b));
    EXPECT_EQ(decoded(test::make_jpeg(test::gradient(16, 8, 3), {.exif = &block})).image.width, 8);
  }
}

}  // namespace
}  // namespace espalier
