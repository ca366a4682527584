#include "io/formats/mtl_reader.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/printable.h"
#include "image/colour.h"

namespace espalier::reader {

namespace {

float linear(double srgb) { return linear_of_srgb(static_cast<float>(std::clamp(srgb, 0.0, 1.0))); }

// How many values an option of a texture has; -1 for what is none.
int values_of_option(std::string_view option) {
  constexpr std::array<std::pair<std::string_view, int>, 14> kOptions = {{{"-o", 3},
                                                                          {"-s", 3},
                                                                          {"-t", 3},
                                                                          {"-mm", 2},
                                                                          {"-bm", 1},
                                                                          {"-blendu", 1},
                                                                          {"-blendv", 1},
                                                                          {"-boost", 1},
                                                                          {"-clamp", 1},
                                                                          {"-cc", 1},
                                                                          {"-imfchan", 1},
                                                                          {"-texres", 1},
                                                                          {"-colorspace", 1},
                                                                          {"-type", 1}}};
  for (const auto& [name, values] : kOptions) {
    if (option == name) return values;
  }
  return -1;
}

std::string_view before_comment(std::string_view text) {
  const std::size_t mark = std::min(text.find(" #"), text.find("\t#"));
  return trimmed(text.substr(0, mark));
}

std::string without_quotes(std::string_view text) {
  text = trimmed(text);
  if (text.size() > 1 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return std::string(text);
}

}  // namespace

void MtlLibrary::load(std::string_view names) {
  std::string whole = without_quotes(names);
  if (whole.empty() || loaded_.contains(whole)) return;
  // One name with spaces is more frequent than several names; where the whole is no file, its words may be.
  if (whole.find(' ') != std::string::npos && !source_.find_companion(whole)) {
    const std::string bare = without_quotes(before_comment(whole));
    if (bare != whole && source_.find_companion(bare)) return load_file(bare);
    Words words(bare);
    std::vector<std::string> parts;
    for (std::string_view word = words.word(); !word.empty(); word = words.word()) parts.emplace_back(word);
    const auto there = [&](const std::string& part) { return source_.find_companion(part).has_value(); };
    if (std::any_of(parts.begin(), parts.end(), there)) {
      for (const std::string& part : parts) load_file(part);
      return;
    }
  }
  load_file(whole);
}

void MtlLibrary::load_file(const std::string& name) {
  if (!loaded_.insert(name).second) return;
  const auto bytes = source_.companion(name, "the material library");
  if (!bytes) return;
  std::string folder = name;
  std::replace(folder.begin(), folder.end(), '\\', '/');
  folder.erase(folder.find('/') == std::string::npos ? 0 : folder.rfind('/'));
  parse(text_of(*bytes), folder);
}

void MtlLibrary::parse(std::string_view text, const std::string& folder) {
  if (is_utf16(text)) return source_.left_out("a material library is left out: it is text in UTF-16");
  constexpr std::size_t kMost = 100'000;
  Words lines(without_mark(text));
  std::string_view line;
  Entry* entry = nullptr;
  while (lines.line(line)) {
    source_.tick();
    Words words(line);
    const std::string key = lower(std::string(words.word().substr(0, 40)));
    if (key == "newmtl") {
      if (entries_.size() >= kMost) source_.damaged("its libraries have more than ", kMost, " materials");
      const std::string name(trimmed(words.rest()));
      entry = &entries_.insert_or_assign(name, Entry{}).first->second;
      entry->material.name = name.substr(0, 200);
      entry->material.vertex_colours = false;
    } else if (entry != nullptr && !key.empty()) {
      read_line(key, words, *entry);
      for (Texture* texture : {&entry->base, &entry->alpha, &entry->emission}) texture->folder = folder;
    }
  }
}

std::array<float, 3> MtlLibrary::colour_of(Words& words) const {
  std::array<double, 3> c{};
  std::size_t read = 0;
  for (std::string_view word = words.word(); read < 3 && parse_number(word, c[read]); word = words.word()) ++read;
  if (read == 0) source_.left_out("a colour of a material is left out: it is spectral or damaged");
  if (read == 0) return {1, 1, 1};
  for (std::size_t k = read; k < 3; ++k) c[k] = c[0];
  return {linear(c[0]), linear(c[1]), linear(c[2])};
}

void MtlLibrary::read_line(std::string_view key, Words& words, Entry& entry) {
  const auto number = [&](double otherwise) {
    double value = otherwise;
    std::string_view word = words.word();
    if (word == "-halo") word = words.word();
    return parse_number(word, value) && std::isfinite(value) ? std::clamp(value, 0.0, 1.0) : otherwise;
  };
  Material& m = entry.material;
  if (key == "kd") {
    const auto c = colour_of(words);
    std::copy(c.begin(), c.end(), m.factor.begin());
    entry.coloured = true;
  } else if (key == "ke") {
    m.emission = colour_of(words);
  } else if (key == "d") {
    m.factor[3] = static_cast<float>(number(1.0));
    entry.dissolved = true;
  } else if (key == "tr" && !entry.dissolved) {  // files that have both mean `d`: some programs write Tr the other way round
    m.factor[3] = static_cast<float>(1.0 - number(0.0));
  } else if (key == "map_kd") {
    entry.base = texture_of(words.rest());
  } else if (key == "map_d") {
    entry.alpha = texture_of(words.rest());
  } else if (key == "map_ke") {
    entry.emission = texture_of(words.rest());
  } else if (key == "map_bump" || key == "bump" || key == "norm" || key == "disp") {
    source_.left_out("normal and bump maps are left out");
  }
}

// Options stand before the name, which may have spaces in it.
MtlLibrary::Texture MtlLibrary::texture_of(std::string_view rest) const {
  Texture out;
  rest = trimmed(rest);
  while (!rest.empty() && rest.front() == '-') {
    Words words(rest);
    const std::string_view option = words.word();
    const int most = values_of_option(option);
    if (most < 0) break;
    std::array<double, 3> values = {option == "-s" ? 1.0 : 0.0, option == "-s" ? 1.0 : 0.0, 0.0};
    std::string_view left = words.rest();
    const bool numeric = most > 1;
    for (int i = 0; i < most; ++i) {
      Words ahead(left);
      const std::string_view word = ahead.word();
      double value = 0.0;
      if (numeric && !parse_number(word, value)) break;  // fewer than it may have
      if (!numeric && option == "-clamp") out.clamped = word == "on";
      if (numeric && std::isfinite(value)) values[static_cast<std::size_t>(i)] = value;
      left = ahead.rest();
    }
    for (std::size_t k = 0; k < 2; ++k) {
      if (option == "-o") out.coordinates.offset[k] = static_cast<float>(values[k]);
      if (option == "-s") out.coordinates.scale[k] = static_cast<float>(values[k]);
    }
    rest = trimmed(left);
  }
  out.file = without_quotes(rest);
  return out;
}

// Beside the library, as most programs mean it, else beside the OBJ; with what looks like a comment where the name has it.
std::string MtlLibrary::place_of(const Texture& texture) const {
  std::string named = texture.file;
  std::replace(named.begin(), named.end(), '\\', '/');
  const std::string bare = without_quotes(before_comment(named));
  if (texture.folder.empty() && bare == named) return texture.file;
  for (const std::string& name : {named, bare}) {
    const std::string beside = (std::filesystem::path(texture.folder) / name).lexically_normal().generic_string();
    for (const std::string& place : {beside, name}) {
      if (source_.find_companion(place)) return place;
    }
    if (bare == named) break;
  }
  return texture.file;
}

std::int32_t MtlLibrary::image(const Texture& texture) {
  const std::string file = place_of(texture);
  const auto known = known_.find(file);
  if (known != known_.end()) return known->second;
  std::int32_t at = -1;
  if (const auto bytes = source_.companion(file, "texture")) {
    if (auto image = source_.image(*bytes, "texture \"" + printable(file) + "\"")) {
      images_.push_back(std::move(*image));
      files_.push_back(Source::image_file(*bytes));
      at = static_cast<std::int32_t>(images_.size() - 1);
    }
  }
  known_.emplace(file, at);
  return at;
}

// The image of `map_d` becomes the alpha of the base colour's; the same image there has it already.
void MtlLibrary::add_alpha(const Entry& entry, Material& material) {
  material.alpha = AlphaMode::blend;
  if (entry.alpha.file == entry.base.file) return;
  const std::int32_t at = image(entry.alpha);
  if (at < 0) return;
  const Image& from = images_[static_cast<std::size_t>(at)];
  Image made(from.width, from.height, 4);
  if (material.texture.used()) {
    const Image& base = images_[static_cast<std::size_t>(material.texture.image)];
    if (base.width != from.width || base.height != from.height)
      return source_.left_out("map_d of ", printable(material.name), " is left out: its size is not that of map_Kd");
    for (std::size_t i = 0; i < made.pixel_count(); ++i)
      std::copy_n(&base.pixels[i * static_cast<std::size_t>(base.channels)], 3, &made.pixels[4 * i]);
  } else {
    std::fill(made.pixels.begin(), made.pixels.end(), std::uint8_t{255});
  }
  for (std::size_t i = 0; i < made.pixel_count(); ++i)
    made.pixels[4 * i + 3] = from.pixels[i * static_cast<std::size_t>(from.channels) + (from.channels == 4 ? 3 : 0)];
  images_.push_back(std::move(made));
  files_.push_back(nullptr);
  material.texture.image = static_cast<std::int32_t>(images_.size() - 1);
}

// A name may have the mark of a comment in it: only what is not found so is looked for without it.
const MtlLibrary::Entry* MtlLibrary::described(const std::string& name) const {
  auto at = entries_.find(name);
  if (at == entries_.end()) at = entries_.find(before_comment(name));
  return at == entries_.end() ? nullptr : &at->second;
}

MtlMaterial MtlLibrary::find(const std::string& name) {
  MtlMaterial out;
  out.material.name = name.substr(0, 200);
  out.material.vertex_colours = false;
  const Entry* found = described(name);
  if (found == nullptr) {
    if (!name.empty() && !entries_.empty())
      source_.left_out("the material ", printable(name), " is white: no library describes it");
    return out;
  }
  const Entry& entry = *found;
  out.material = entry.material;
  out.described = true;
  out.coloured = entry.coloured;
  if (!source_.options.texture) return out;
  const auto use = [&](const Texture& texture) {
    TextureUse made;
    if (texture.file.empty()) return made;
    made.image = image(texture);
    made.u = made.v = texture.clamped ? Wrap::clamp : Wrap::repeat;
    return made;
  };
  out.material.texture = use(entry.base);
  out.coordinates = entry.base.coordinates;
  if (!entry.emission.file.empty()) {
    out.material.emission_texture = use(entry.emission);
    if (out.material.emission_texture.used() && !out.material.emits()) out.material.emission = {1, 1, 1};
  }
  if (out.material.factor[3] < 1.0F) out.material.alpha = AlphaMode::blend;
  if (!entry.alpha.file.empty()) add_alpha(entry, out.material);
  return out;
}

}  // namespace espalier::reader
