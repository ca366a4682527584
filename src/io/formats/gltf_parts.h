// What every glTF file that is written here has: a buffer, views of it, accessors, images, and the JSON that names them.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "io/formats/byte_writer.h"
#include "io/formats/gltf_geometry.h"
#include "io/formats/named_file.h"

namespace espalier {

// Grows by calls, then gives out document and bytes. With a stem, buffer and images are files of their own that the JSON names;
// without, they lie in the one binary chunk of a GLB.
class GltfParts {
 public:
  using Json = nlohmann::ordered_json;

  GltfParts(std::string stem, std::size_t expected_bytes) : stem_(std::move(stem)), binary_(expected_bytes) {}

  // All return an index. What is added lies at a multiple of four bytes.
  std::size_t add_bytes(std::span<const std::byte> bytes);
  std::size_t add_view(const GltfArray& array);
  std::size_t add_accessor(const GltfArray& array);  // without a view, for bytes that an extension unpacks
  std::size_t add_accessor(const GltfArray& array, std::size_t view);
  std::size_t add_array(const GltfArray& array) { return add_accessor(array, add_view(array)); }
  // A PNG, JPEG or WebP file. As a file of its own it is called `name` and an ending; `title`: in the document, if not empty.
  std::size_t add_image(std::span<const std::byte> file, const std::string& name, const std::string& title = {});

  [[nodiscard]] Json& view(std::size_t index) { return views_[index]; }
  [[nodiscard]] const std::string& stem() const { return stem_; }

  // The document with images, accessors, views and the buffer as text. Nothing may be added after it.
  [[nodiscard]] std::string text(Json document) const;
  [[nodiscard]] std::vector<std::byte> take_binary() { return binary_.take(); }
  // The images, STEM.bin and, last, STEM.gltf with the text of the document.
  [[nodiscard]] std::vector<NamedFile> take_files(const std::string& document);

 private:
  std::string stem_;
  ByteWriter binary_;
  Json accessors_ = Json::array(), views_ = Json::array(), images_ = Json::array();
  std::vector<NamedFile> image_files_;
};

// A document with its asset. `extras_json` is the text of a JSON object, or empty.
[[nodiscard]] GltfParts::Json gltf_document(const std::string& generator, const std::string& extras_json);

}  // namespace espalier
