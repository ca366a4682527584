// An image as a program has it: a file, the bytes of one in memory, or pixels.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace espalier {

// Copies share the data. Nothing is checked here: whoever reads the image throws, and calls it by its name.
class InputImage {
 public:
  // A PNG, JPEG or WebP file, read when it is needed: InputImage("chair.png"), or a path where an InputImage is expected.
  template <class Path>
  requires(std::convertible_to<Path, std::filesystem::path> && !std::same_as<std::remove_cvref_t<Path>, InputImage>)
      InputImage(Path&& file)
      : file_(std::forward<Path>(file)), name_(file_.string()) {}  // NOLINT(google-explicit-constructor)

  // The bytes of a PNG, JPEG or WebP file. `name` is for messages, notices and the asset's record.
  [[nodiscard]] static InputImage encoded(std::vector<std::byte> bytes, std::string name) {
    InputImage image{std::filesystem::path()};
    image.bytes_ = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    image.name_ = std::move(name);
    return image;
  }
  // sRGB bytes, height * width * channels of them, rows from top to bottom, channels interleaved; 3 channels are RGB, 4 are
  // RGBA with colours that are not multiplied by alpha.
  [[nodiscard]] static InputImage pixels(std::vector<std::byte> bytes, int width, int height, int channels, std::string name) {
    InputImage image = encoded(std::move(bytes), std::move(name));
    image.width_ = width;
    image.height_ = height;
    image.channels_ = channels;
    image.raw_ = true;
    return image;
  }

  [[nodiscard]] const std::string& name() const { return name_; }            // of a file its path
  [[nodiscard]] bool in_memory() const { return bytes_ != nullptr; }         // else file() is read
  [[nodiscard]] bool raw() const { return raw_; }                            // bytes() are pixels, not a file
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }  // empty in memory
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_ ? std::span(*bytes_) : std::span<const std::byte>(); }
  [[nodiscard]] int width() const { return width_; }  // of pixels; 0 otherwise, as the next two
  [[nodiscard]] int height() const { return height_; }
  [[nodiscard]] int channels() const { return channels_; }
  // The name of the mask that its alpha channel was taken from (with_mask); empty for none.
  [[nodiscard]] const std::string& mask() const { return mask_; }
  [[nodiscard]] InputImage masked_by(std::string mask) const {
    InputImage image = *this;
    image.mask_ = std::move(mask);
    return image;
  }

 private:
  std::filesystem::path file_;
  std::string name_, mask_;
  std::shared_ptr<const std::vector<std::byte>> bytes_;
  int width_ = 0, height_ = 0, channels_ = 0;
  bool raw_ = false;
};

}  // namespace espalier
