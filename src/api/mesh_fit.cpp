#include "api/mesh_fit.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "geometry/simplify/textured.h"
#include "image/resize.h"

namespace espalier {

namespace {

using Files = std::vector<NamedFile>;

constexpr double kTextureShare = 0.4;  // of the bytes, before faces are given up
constexpr std::int64_t kLeastFaces = 64, kLeastShare = 200;
constexpr std::int64_t kSmallestLevel = 32;
constexpr int kTries = 8;
constexpr double kFull = 0.97;  // of the bytes: good enough

std::uint64_t bytes_of(const Files& files) {
  std::uint64_t bytes = 0;
  for (const NamedFile& file : files) bytes += file.bytes.size();
  return bytes;
}

std::int64_t share_of(std::int64_t faces, double share) {
  return static_cast<std::int64_t>(share * static_cast<double>(faces));
}

class Fitting {
 public:
  Fitting(const MeshSource& source, const FitRequest& request, const std::function<Files(const ShownMesh&)>& encode)
      : source_(source), request_(request), encode_(encode), textures_(request.textures.size()) {}

  // All faces with the best texture.
  [[nodiscard]] const Files& whole() {
    if (whole_.empty()) whole_ = with(*source_.mesh, 0);
    return whole_;
  }

  [[nodiscard]] std::optional<Files> fit() {
    if (bytes_of(whole()) <= request_.max_bytes) return whole_;
    const std::uint64_t geometry = bytes_of(whole_) - texture(0).size();
    for (std::size_t i = 0; i < textures_.size(); ++i) {
      chosen_ = i;
      if (geometry + texture(i).size() <= request_.max_bytes) {
        if (Files files = with(*source_.mesh, i); bytes_of(files) <= request_.max_bytes) return files;
      }
      const bool last = i + 1 == textures_.size();
      if (!last && static_cast<double>(texture(i).size()) > kTextureShare * static_cast<double>(request_.max_bytes)) continue;
      if (texture(i).size() >= request_.max_bytes) continue;
      if (auto files = with_fewer_faces(i, geometry)) return files;
    }
    return std::nullopt;
  }

  [[nodiscard]] std::string what_is_left(const Files& files) const {
    const TextureChoice& choice = request_.textures[chosen_];
    const std::int64_t all = source_.mesh->face_count();
    std::string text =
        str(request_.name, ": ", bytes_of(files), " bytes with ", faces_ > 0 ? faces_ : all, " of ", all, " faces");
    if (!source_.textured()) return text;
    constexpr std::array kNames = {"PNG", "JPEG", "WebP"};
    text += str(", texture ", source_.texture->width / choice.divide, " x ", source_.texture->height / choice.divide, ", ",
                kNames.at(static_cast<std::size_t>(choice.format)));
    if (choice.quality > 0) text += str(" of quality ", choice.quality);
    return text;
  }

  [[nodiscard]] std::uint64_t smallest() const { return smallest_; }

 private:
  const EncodedLook& texture(std::size_t i) {
    if (!textures_[i]) textures_[i] = encoded_look(source_, request_.textures[i]);
    return *textures_[i];
  }

  Files with(const Mesh& mesh, std::size_t i) {
    const EncodedLook& look = texture(i);
    Files files = encode_({&mesh, levels_of(mesh, request_.lods), look.texture, look.normal_map, look.occlusion_map});
    const std::uint64_t bytes = bytes_of(files);
    if (smallest_ == 0 || bytes < smallest_) smallest_ = bytes;
    return files;
  }

  // Bytes grow almost in proportion with faces, so a few steps of the secant are enough.
  std::optional<Files> with_fewer_faces(std::size_t i, std::uint64_t whole_geometry) {
    const std::int64_t all = source_.mesh->face_count();
    const std::int64_t least = std::min(all, std::max(kLeastFaces, all / kLeastShare));
    const auto budget = static_cast<double>(request_.max_bytes - texture(i).size());
    std::optional<Files> best;
    std::int64_t low = 0, high = all;  // that fits, that does not
    std::int64_t faces = share_of(all, 0.99 * budget / static_cast<double>(whole_geometry));
    for (int n = 0; n < kTries && high - low > 1; ++n) {
      faces = std::clamp(faces, std::max(least, low + 1), std::max(least, high - 1));
      const Mesh mesh = simplified_with_texture(*source_.mesh, faces);
      if (mesh.face_count() >= high) break;
      Files files = with(mesh, i);
      const std::uint64_t bytes = bytes_of(files);
      if (bytes <= request_.max_bytes) {
        best = std::move(files);
        low = faces_ = mesh.face_count();
        if (static_cast<double>(bytes) >= kFull * static_cast<double>(request_.max_bytes)) break;
      } else {
        if (faces <= least) break;
        high = faces;
      }
      const double geometry = static_cast<double>(bytes) - static_cast<double>(texture(i).size());
      const std::int64_t next = share_of(mesh.face_count(), 0.99 * budget / geometry);
      faces = next > low && next < high ? next : (low + high) / 2;
    }
    return best;
  }

  const MeshSource& source_;
  const FitRequest& request_;
  const std::function<Files(const ShownMesh&)>& encode_;
  std::vector<std::optional<EncodedLook>> textures_;
  Files whole_;
  std::size_t chosen_ = 0;
  std::int64_t faces_ = 0;  // of what was chosen; 0: all
  std::uint64_t smallest_ = 0;
};

}  // namespace

std::vector<Mesh> levels_of(const Mesh& mesh, int lods) {
  std::vector<Mesh> levels;
  const Mesh* before = &mesh;
  for (int i = 1; i < lods; ++i) {
    const std::int64_t faces = std::max(kSmallestLevel, before->face_count() / 4);
    if (faces >= before->face_count()) break;
    Mesh level = simplified_with_texture(*before, faces);
    if (level.face_count() >= before->face_count()) break;
    levels.push_back(std::move(level));
    before = &levels.back();
  }
  return levels;
}

namespace {

Image divided(const Image& image, int divide) {
  return divide > 1 ? resize_lanczos(image, image.width / divide, image.height / divide) : image;
}

std::vector<std::byte> encoded_texture(const MeshSource& source, const TextureChoice& choice) {
  if (choice.as_found) return *source.file;
  const Image image = divided(*source.texture, choice.divide);
  switch (choice.format) {
    case ImageFormat::jpeg: return encode_jpeg(image, choice.quality);
    case ImageFormat::webp: return encode_webp(image, {.quality = choice.quality});
    case ImageFormat::png: break;
  }
  return encode_png(image);
}

// Numbers: with colours of half the resolution a normal map would be of no use.
std::vector<std::byte> encoded_map(const Image* map, const TextureChoice& choice) {
  constexpr int kQuality = 90;
  if (map == nullptr || map->width == 0) return {};
  const Image image = divided(*map, choice.divide);
  return choice.lossy_maps ? encode_jpeg(image, kQuality) : encode_png(image);
}

}  // namespace

EncodedLook encoded_look(const MeshSource& source, const TextureChoice& choice) {
  if (!source.textured()) return {};
  return {encoded_texture(source, choice), encoded_map(source.normal_map, choice), encoded_map(source.occlusion_map, choice)};
}

std::vector<NamedFile> fitted(const MeshSource& source, const FitRequest& request,
                              const std::function<Files(const ShownMesh&)>& encode,
                              const std::function<void(const std::string&)>& message) {
  Fitting fitting(source, request, encode);
  std::optional<Files> files = fitting.fit();
  if (!files) {
    fail(ErrorCode::invalid_argument, request.label, ": at most ", request.max_bytes,
         " bytes are asked for, but the smallest file has ", fitting.smallest(),
         hint("allow more, compress the mesh (draco), or do without a texture"));
  }
  const bool less = bytes_of(*files) < bytes_of(fitting.whole());
  if (less && message) message(fitting.what_is_left(*files));
  return std::move(*files);
}

}  // namespace espalier
