// Materials of OBJ files.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "assets/appearance.h"
#include "io/formats/reader_parts.h"

namespace espalier::reader {

// What the option of a texture makes of coordinates whose v goes up.
struct MtlCoordinates {
  std::array<float, 2> offset = {0, 0}, scale = {1, 1};
};
struct MtlMaterial {
  Material material;
  MtlCoordinates coordinates;
  bool described = false;  // in a library that was found
  bool coloured = false;   // which says its colour
};

// Libraries and the materials in them, each texture loaded when a material that is asked for has it.
class MtlLibrary {
 public:
  explicit MtlLibrary(const Source& source) : source_(source) {}
  // Reads what a `mtllib` line names, spaces in names and several names included.
  void load(std::string_view names);
  // The material of that name with its textures; one that no library describes is white.
  [[nodiscard]] MtlMaterial find(const std::string& name);
  [[nodiscard]] std::vector<Image> take_images() { return std::move(images_); }
  [[nodiscard]] std::vector<ImageFile> take_files() { return std::move(files_); }

 private:
  struct Texture {
    std::string file, folder;  // as it is named, and the folder of the library that names it
    MtlCoordinates coordinates;
    bool clamped = false;
  };
  struct Entry {
    Material material;
    Texture base, alpha, emission;
    bool coloured = false;
    bool dissolved = false;  // `d` was there, which wins over `Tr`
  };
  void load_file(const std::string& name);
  void parse(std::string_view text, const std::string& folder);
  void read_line(std::string_view key, Words& words, Entry& entry);
  [[nodiscard]] Texture texture_of(std::string_view rest) const;
  [[nodiscard]] std::array<float, 3> colour_of(Words& words) const;
  [[nodiscard]] const Entry* described(const std::string& name) const;
  [[nodiscard]] std::string place_of(const Texture& texture) const;
  std::int32_t image(const Texture& texture);
  void add_alpha(const Entry& entry, Material& material);

  const Source& source_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::string, std::int32_t> known_;  // files -> images; -1: left out
  std::set<std::string, std::less<>> loaded_;  // libraries, as they are named
  std::vector<Image> images_;
  std::vector<ImageFile> files_;
};

}  // namespace espalier::reader
