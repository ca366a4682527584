#include "one_each.h"

#include <algorithm>
#include <map>

#include "outputs.h"
#include "prompts.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPlace = "{name}", kSeed = "{seed}";

bool has_place(const fs::path& path) { return path.string().find(kPlace) != std::string::npos; }

fs::path with_name(const fs::path& path, const std::string& name, std::string_view place = kPlace) {
  std::string text = path.string();
  for (std::size_t at = 0; (at = text.find(place, at)) != std::string::npos; at += name.size())
    text.replace(at, place.size(), name);
  return text;
}

// Every field that names a file to write.
template <class Work>
void for_each_output(Settings& s, Work work) {
  for (fs::path& path : s.outputs) work(path);
  for (fs::path* path : {&s.preview, &s.turntable, &s.sheet, &s.save_latent, &s.save_asset}) {
    if (!path->empty()) work(*path);
  }
}

// With --seeds, assets_of_seeds says what the seed is.
Settings one_asset(const Settings& all, const std::string& name) {
  Settings one = all;
  for_each_output(one, [&](fs::path& path) {
    if (one.seeds.empty()) path = with_name(path, std::to_string(one.seed), kSeed);
    path = with_name(path, name);
  });
  return one;
}

std::string name_of_input(const Settings& s) {
  if (!s.prompt.empty()) return name_of_prompt(s.prompt);
  const fs::path& first = !s.images.empty() ? s.images.front() : s.from_latent;
  return first.stem().empty() ? "asset" : first.stem().string();
}

// Whether this is meant for a folder, which is not there.
bool is_missing_folder(const fs::path& path) {
  std::error_code ignored;
  return path.extension().empty() && format_name(path).empty() && !fs::exists(path, ignored);
}

// One output for many assets would be written again and again.
void check_places_of_prompts(const Settings& s) {
  for (const fs::path& path : all_outputs(s)) {
    if (has_place(path)) continue;
    if (is_missing_folder(path)) {
      throw UsageError("the folder " + path.string() + " does not exist; make it (mkdir " + path.string() +
                       "), or use --out-dir " + path.string() + " instead of -o, which makes it");
    }
    const std::string format = format_name(path);
    std::string example = (path.parent_path() / "{name}").string();
    example.append(format.empty() ? path.extension().string() : std::string(".").append(format));
    throw UsageError("every prompt would write " + path.string() + "; name a folder, or put {name} into it, as in " + example);
  }
}

void check_places_of_images(const Settings& s) {
  const std::string count = std::to_string(s.images.size());
  for (const fs::path& path : all_outputs(s)) {
    if (has_place(path)) continue;
    throw UsageError(
        count + " images become " + count + " assets, but " + path.string() +
        " is one file; name it with {name}, such as -o '{name}.glb', or give --views if the images are views of one "
        "object");
  }
}

void check_different(const std::vector<Settings>& assets) {
  std::map<std::string, fs::path> seen;
  for (const Settings& one : assets) {
    for (const fs::path& path : all_outputs(one)) {
      const auto [before, first] = seen.emplace(path.lexically_normal().string(), one.images.front());
      if (first || before->second == one.images.front()) continue;
      throw UsageError(path.string() + " would be written for " + before->second.string() + " and for " +
                       one.images.front().string() + "; rename one of them, or run the command twice");
    }
  }
}

std::vector<Settings> assets_of_prompts(Settings all) {
  for (fs::path& path : all.outputs) {
    std::error_code ignored;
    if (!has_place(path) && fs::is_directory(path, ignored)) path /= "{name}.glb";
  }
  check_places_of_prompts(all);
  std::vector<Settings> assets;
  for (const ListedPrompt& prompt : read_prompts(all.prompts)) {
    Settings one = all;
    one.prompts.clear();
    one.prompt = prompt.prompt;
    one.seed = prompt.seed.value_or(all.seed);
    assets.push_back(one_asset(one, prompt.name));
  }
  return assets;
}

}  // namespace

std::vector<Settings> assets_of(const Settings& settings) {
  Settings all = settings;
  const bool listed = !all.prompts.empty(), batch = listed || (all.images.size() > 1 && !all.views_of_one);
  if (!all.out_dir.empty()) {
    if (all_outputs(all).empty()) all.outputs.emplace_back("{name}.glb");
    for_each_output(all, [&](fs::path& path) {
      if (!path.has_parent_path()) path = all.out_dir / path;
    });
  }
  if (!batch) return {one_asset(all, name_of_input(all))};
  if (listed) return assets_of_prompts(all);
  check_places_of_images(all);
  std::vector<Settings> assets;
  for (std::size_t i = 0; i < all.images.size(); ++i) {
    Settings one = all;
    one.images = {all.images[i]};
    if (all.background.size() == all.images.size()) one.background = {all.background[i]};
    if (all.masks.size() == all.images.size()) one.masks = {all.masks[i]};
    assets.push_back(one_asset(one, name_of_input(one)));
  }
  check_different(assets);
  return assets;
}

std::vector<Settings> assets_of_seeds(const Settings& all) {
  std::vector<Settings> assets;
  for (const std::uint32_t seed : all.seeds) {
    Settings one = all;
    one.seed = seed;
    one.seeds.clear();
    one.sheet.clear();
    for_each_output(one, [&](fs::path& path) {
      if (path.string().find(kSeed) == std::string::npos) {
        const std::string name = path.filename().string(), format = format_name(path);
        const std::size_t ending = format.empty() ? path.extension().string().size() : format.size() + 1;
        path.replace_filename(name.substr(0, name.size() - ending).append("-{seed}").append(name, name.size() - ending));
      }
      path = with_name(path, std::to_string(seed), kSeed);
    });
    assets.push_back(std::move(one));
  }
  return assets;
}

}  // namespace espalier::cli
