#include "io/formats/gltf_parts.h"

#include "base/error.h"
#include "image/codec.h"
#include "io/formats/text.h"

namespace espalier {

namespace {

struct Kind {
  const char* mime;
  const char* ending;
};
Kind kind_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::png: return {"image/png", ".png"};
    case ImageFormat::jpeg: return {"image/jpeg", ".jpg"};
    case ImageFormat::webp: return {"image/webp", ".webp"};
  }
  fail(ErrorCode::internal, "glTF: an unknown image format");
}

}  // namespace

std::size_t GltfParts::add_bytes(std::span<const std::byte> bytes) {
  views_.push_back({{"buffer", 0}, {"byteOffset", binary_.size()}, {"byteLength", bytes.size()}});
  binary_.raw(bytes.data(), bytes.size());
  binary_.align4('\0');
  return views_.size() - 1;
}

std::size_t GltfParts::add_view(const GltfArray& array) {
  constexpr int kArrayBuffer = 34962, kElementArrayBuffer = 34963;
  const bool indices = array.attribute == nullptr;
  Json& view = views_[add_bytes(array.bytes)];
  if (!indices && array.stride != array.packed_bytes()) view["byteStride"] = array.stride;
  view["target"] = indices ? kElementArrayBuffer : kArrayBuffer;
  return views_.size() - 1;
}

std::size_t GltfParts::add_accessor(const GltfArray& array) {
  Json accessor = {{"componentType", array.component}, {"count", array.count}, {"type", array.type}};
  if (array.normalized) accessor["normalized"] = true;
  if (!array.low.is_null()) {
    accessor["min"] = array.low;
    accessor["max"] = array.high;
  }
  accessors_.push_back(std::move(accessor));
  return accessors_.size() - 1;
}

std::size_t GltfParts::add_accessor(const GltfArray& array, std::size_t view) {
  const std::size_t index = add_accessor(array);
  accessors_[index]["bufferView"] = view;
  return index;
}

std::size_t GltfParts::add_image(std::span<const std::byte> file, const std::string& name, const std::string& title) {
  const Kind kind = kind_of(image_format(file).value());
  Json image = Json::object();
  if (!title.empty()) image["name"] = title;
  if (stem_.empty()) {
    image["bufferView"] = add_bytes(file);
    image["mimeType"] = kind.mime;
  } else {
    image["uri"] = percent_notation(name + kind.ending);
    image_files_.push_back({name + kind.ending, {file.begin(), file.end()}});
  }
  images_.push_back(std::move(image));
  return images_.size() - 1;
}

std::string GltfParts::text(Json document) const {
  if (!images_.empty()) document["images"] = images_;
  document["accessors"] = accessors_;
  document["bufferViews"] = views_;
  Json buffer = {{"byteLength", binary_.size()}};
  if (!stem_.empty()) buffer["uri"] = percent_notation(stem_ + ".bin");
  Json& buffers = document["buffers"];
  if (!buffers.is_array()) buffers = Json::array();
  buffers.insert(buffers.begin(), std::move(buffer));
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<NamedFile> GltfParts::take_files(const std::string& document) {
  ByteWriter json(document.size());
  json.text(document);
  std::vector<NamedFile> files = std::move(image_files_);
  files.push_back({stem_ + ".bin", binary_.take()});
  files.push_back({stem_ + ".gltf", json.take()});
  return files;
}

GltfParts::Json gltf_document(const std::string& generator, const std::string& extras_json) {
  GltfParts::Json document;
  document["asset"] = {{"version", "2.0"}, {"generator", generator}};
  if (!extras_json.empty()) {
    GltfParts::Json extras = GltfParts::Json::parse(extras_json, nullptr, /*allow_exceptions=*/false);
    require(extras.is_object(), "glTF", "the extras are not the text of a JSON object");
    document["asset"]["extras"] = std::move(extras);
  }
  return document;
}

}  // namespace espalier
