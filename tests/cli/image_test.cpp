// Images that are no images, or no use.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>

#include "image/codec.h"
#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

std::string text_of(const std::vector<std::byte>& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string png(const Image& image) { return text_of(encode_png(image)); }

Image before_white(const Image& rgba) {
  Image rgb(rgba.width, rgba.height, 3);
  for (std::size_t i = 0; i < rgb.pixels.size(); ++i) {
    const int alpha = rgba.pixels[i / 3 * 4 + 3];
    rgb.pixels[i] = static_cast<std::uint8_t>((rgba.pixels[i / 3 * 4 + i % 3] * alpha + 255 * (255 - alpha)) / 255);
  }
  return rgb;
}

// The checksum of PNG chunks (ISO 3309).
std::uint32_t crc32(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> static_cast<unsigned>(shift));
  return out;
}

// A valid PNG whose header promises width x height pixels.
std::string png_that_promises(std::uint32_t width, std::uint32_t height) {
  std::string file = png(Image(4, 4, 4));
  const std::size_t header = 8 + 4;  // signature, length of the first chunk
  std::string chunk = file.substr(header, 4 + 13);
  chunk.replace(4, 8, big_endian(width) + big_endian(height));
  file.replace(header, chunk.size(), chunk);
  file.replace(header + chunk.size(), 4, big_endian(crc32(chunk)));
  return file;
}

class BadImage : public ::testing::Test {
 protected:
  // generate refuses a file of these bytes and writes nothing.
  void refused(const std::string& name, const std::string& bytes, const std::vector<std::string>& words) const {
    SCOPED_TRACE(name);
    const std::string file = (inputs_ / name).string();
    write_text(file, bytes);
    std::vector<std::string> all = words;
    all.push_back(name);
    expect_refusal(espalier({"generate", file, "-o", (outputs_ / "a.glb").string(), "--quiet", "--device", "cpu"}), 1, all);
    expect_empty(outputs_);
  }

  void SetUp() override {
    std::filesystem::create_directory(inputs_);
    std::filesystem::create_directory(outputs_);
  }

  const TemporaryFolder folder_;
  const std::filesystem::path inputs_ = folder_ / "in";
  const std::filesystem::path outputs_ = folder_ / "out";
};

TEST_F(BadImage, ForeignBytes) {
  refused("empty.png", "", {});
  refused("text.png", "this is no image\n", {});
  refused("text.jpg", std::string(100000, 'x'), {});
  refused("program.webp", read_text(program_path()).substr(0, 50000), {});
}

TEST_F(BadImage, Truncated) {
  const std::string whole = read_text(data_path("images/blob_a.in.png"));
  refused("half.png", whole.substr(0, whole.size() / 2), {});
  refused("signature.png", whole.substr(0, 8), {});
  refused("header.png", whole.substr(0, 33), {});
  const Image image = before_white(load_image_file(data_path("images/blob_a.in.png")));
  for (const auto& [name, bytes] : {std::pair{"half.jpg", encode_jpeg(image, 90)}, {"half.webp", encode_webp(image, {})}}) {
    refused(name, text_of(bytes).substr(0, bytes.size() / 2), {});
  }
}

TEST_F(BadImage, Sizes) {
  refused("huge.png", png_that_promises(20000, 20000), {"20000"});
  refused("overflow.png", png_that_promises(0x7FFFFFFFU, 0x7FFFFFFFU), {});
  refused("nothing.png", png_that_promises(0, 4), {});
  Image dot(1, 1, 4);
  dot.pixels = {200, 10, 10, 255};
  refused("dot.png", png(dot), {});
}

TEST_F(BadImage, WithoutObject) { refused("transparent.png", png(Image(64, 64, 4)), {}); }

TEST_F(BadImage, SecondOfTwo) {
  const std::string good = data_path("images/bar.in.png").string();
  const std::string bad = (inputs_ / "bad.png").string();
  write_text(bad, "no image");
  expect_refusal(
      espalier({"generate", good, bad, "--views", "-o", (outputs_ / "a.glb").string(), "--quiet", "--device", "cpu"}), 1,
      {"bad.png"});
  expect_empty(outputs_);
}

}  // namespace
}  // namespace espalier::test
